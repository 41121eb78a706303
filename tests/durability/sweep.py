"""The kill sweep: a process runs the day in the shop, and dies at its 1st, 2nd, 3rd … file call.

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

from tests.durability.day import Shop, a_day, orders_after
from tests.durability.disk import Disk, Step
from tests.durability.recovery_check import CheckResult, check_recovery


class Kill(NamedTuple):
    """One kill: at which call, in which operation, and what was found afterwards.

    `survived`: the process came to the end of its day before it made so many calls.
    """

    number: int
    step: str
    acknowledged: int
    result: CheckResult
    survived: bool

    @property
    def doing(self) -> str:
        """The operation that was interrupted."""
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
    """Kill a process at its call of that number, and check the data folder it leaves."""
    folder.mkdir(parents=True)
    data = folder / "data"
    sent, status = _in_a_child(lambda send: _run_day(data, number, send))
    acknowledged = sum(1 for each in sent if each == "done")
    last = next((each for each in reversed(sent) if each != "done"), "")
    survived = status == 0
    assert survived or os.WTERMSIG(status) == signal.SIGKILL, f"the day ended with {status}"
    result = check_day(data, acknowledged)
    shutil.rmtree(folder)
    return Kill(number, last, acknowledged, result, survived)


def check_day(data: Path, acknowledged: int) -> CheckResult:
    """Check the folder of a day that ended after so many acknowledged operations."""
    day = a_day()
    acceptable = [orders_after(day[:acknowledged]), orders_after(day[: acknowledged + 1])]
    found, status = _in_a_child(lambda send: send(list(check_recovery(data, acceptable))))
    assert status == 0, "the check has died"
    return CheckResult(*found[0])


def count_calls(folder: Path) -> int:
    """The approximate number of calls in a day; the order of threads varies."""
    sent, _ = _in_a_child(lambda send: send(_run_day(folder / "data", 0, send)))
    shutil.rmtree(folder)
    return int(sent[-1])


def _run_day(data: Path, number: int, send: Callable[[Any], None]) -> int:
    """Run the day up to that call; returns how many calls it made."""

    def die(step: Step) -> None:
        if step.number == number:
            send(str(step))
            os.kill(os.getpid(), signal.SIGKILL)

    data.parent.mkdir(parents=True, exist_ok=True)
    with Disk(data, die, halves=True) as disk:
        shop = Shop(data)
        for operation in a_day():
            shop.do(operation)
            send("done")
        shop.close()
    return disk.steps


def _in_a_child(work: Callable[[Callable[[Any], None]], object]) -> tuple[list[Any], int]:
    """Run `work` in a forked child; returns the values it sent, and its exit status."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        logging.disable(logging.CRITICAL)
        code = 1
        try:
            work(lambda sent: _write_line(writer, sent))
            code = 0
        except BaseException:  # noqa: BLE001  (printed; the exit status reports it)
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        sent = [json.loads(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    return sent, status


def write_kill(kill: Kill) -> None:
    """Print it as a line of JSON; `read_kills` reads these."""
    _write_line(1, [*kill[:3], list(kill.result), kill.survived])


def read_kills(lines: bytes) -> list[Kill]:
    """The kills that another process has printed."""
    rows = [json.loads(line) for line in lines.splitlines()]
    return [Kill(n, call, acked, CheckResult(*found), end) for n, call, acked, found, end in rows]


def _write_line(fd: int, sent: Any) -> None:
    os.write(fd, json.dumps(sent).encode() + b"\n")


def main(folder: str, first: str, step: str) -> None:
    """Print the outcome of each kill."""
    for kill in sweep(Path(folder), int(first), int(step)):
        write_kill(kill)


if __name__ == "__main__":
    main(*sys.argv[1:])
