"""The kill sweep: a process lives the day in the shop, and dies at its 1st, 2nd, 3rd … file call.

`python -m tests.durability.sweep FOLDER FIRST STEP` prints a line of JSON for each kill. It imports
the application once and forks for each; it never opens a store itself, so it has no threads.
"""

import json
import logging
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.durability.day import Shop, a_day, books_after
from tests.durability.disk import Disk, Step
from tests.durability.verdict import Verdict, judge


class Kill(NamedTuple):
    """One kill: at which call, in which operation, and what was found afterwards.

    `survived`: the process came to the end of its day before it made so many calls.
    """

    number: int
    step: str
    acknowledged: int
    verdict: Verdict
    survived: bool

    @property
    def doing(self) -> str:
        """What was on its way."""
        day = a_day()
        return str(day[min(self.acknowledged, len(day) - 1)])


def sweep(scratch: Path, first: int, step: int) -> Iterator[Kill]:
    """Kill at call `first`, then `step` calls later, and so on, until one survives its day."""
    number = first
    while True:
        kill = kill_at(scratch / f"kill-{number}", number)
        yield kill
        if kill.survived:
            return
        number += step


def kill_at(folder: Path, number: int) -> Kill:
    """Let a process die at its call of that number, and judge what it leaves."""
    folder.mkdir(parents=True)
    data = folder / "data"
    told, status = _in_a_child(lambda tell: _live(data, number, tell))
    acknowledged = sum(1 for each in told if each == "done")
    last = next((each for each in reversed(told) if each != "done"), "")
    survived = status == 0
    assert survived or os.WTERMSIG(status) == signal.SIGKILL, f"the day ended with {status}"
    verdict = verdict_on(data, acknowledged)
    shutil.rmtree(folder)
    return Kill(number, last, acknowledged, verdict, survived)


def verdict_on(data: Path, acknowledged: int) -> Verdict:
    """What the day left that ended when so many operations were acknowledged."""
    day = a_day()
    acceptable = [books_after(day[:acknowledged]), books_after(day[: acknowledged + 1])]
    found, status = _in_a_child(lambda tell: tell(list(judge(data, acceptable))))
    assert status == 0, "the judge has died"
    return Verdict(*found[0])


def count_calls(folder: Path) -> int:
    """How many calls a day has, about: which thread comes first is not always the same."""
    told, _ = _in_a_child(lambda tell: tell(_live(folder / "data", 0, tell)))
    shutil.rmtree(folder)
    return int(told[-1])


def _live(data: Path, number: int, tell: Callable[[Any], None]) -> int:
    """The day, up to that call; returns how many calls it had."""

    def die(step: Step) -> None:
        if step.number == number:
            tell(str(step))
            os.kill(os.getpid(), signal.SIGKILL)

    data.parent.mkdir(parents=True, exist_ok=True)
    with Disk(data, die, halves=True) as disk:
        shop = Shop(data)
        for operation in a_day():
            shop.do(operation)
            tell("done")
        shop.close()
    return disk.steps


def _in_a_child(work: Callable[[Callable[[Any], None]], object]) -> tuple[list[Any], int]:
    """Run `work` in a fork; returns what it told, and the status that it ended with."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        logging.disable(logging.CRITICAL)
        code = 1
        try:
            work(lambda told: _write_line(writer, told))
            code = 0
        except BaseException:  # noqa: BLE001  (it is shown, and the status tells)
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = [json.loads(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    return told, status


def write_kill(kill: Kill) -> None:
    """Print it as a line of JSON; `read_kills` reads these."""
    _write_line(1, [*kill[:3], list(kill.verdict), kill.survived])


def read_kills(lines: bytes) -> list[Kill]:
    """The kills that another process has printed."""
    rows = [json.loads(line) for line in lines.splitlines()]
    return [Kill(n, call, acked, Verdict(*found), end) for n, call, acked, found, end in rows]


def _write_line(fd: int, told: Any) -> None:
    os.write(fd, json.dumps(told).encode() + b"\n")


def main(folder: str, first: str, step: str) -> None:
    """Print what comes of each kill."""
    for kill in sweep(Path(folder), int(first), int(step)):
        write_kill(kill)


if __name__ == "__main__":
    main(*sys.argv[1:])
