"""The kill sweep by strace: the kernel kills the process on its way into a system call.

`python -m tests.durability.syscalls FOLDER CALL FIRST STEP` kills the day in the shop at its FIRST
call of that kind, then STEP calls later, and so on, until one day survives; it prints a line of
JSON for each. strace counts the calls of each thread by itself, so it is the N-th call of whichever
thread gets there first.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.durability.sweep import Kill, check_day, write_kill

CALLS = ("pwrite64", "write", "fsync", "fdatasync", "rename", "unlink", "mkdir")
"""All by which a day changes the disk, by Linux's names on x86-64. Nothing is truncated in it."""

_DAY = (sys.executable, "-m", "tests.durability.run_day")
_QUIET = {"PYTHONDONTWRITEBYTECODE": "1"}
"""Without this, Python would write files that are not the shop's."""


def why_not() -> str:
    """Why strace cannot be used here; "" where it can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "--seccomp-bpf", "true"], capture_output=True)
    return "" if tried.returncode == 0 else "strace may not trace here"


def sweep(scratch: Path, call: str, first: int, step: int) -> Iterator[Kill]:
    """Kill at that call of its kind, then `step` calls later, until a day survives."""
    number = first
    while True:
        kill = kill_at(scratch / f"{call}-{number}", call, number)
        yield kill
        if kill.survived:
            return
        number += step


def kill_at(folder: Path, call: str, number: int) -> Kill:
    """Have the kernel kill a day at its call of that number, and check the folder it leaves."""
    folder.mkdir(parents=True)
    data = folder / "data"
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    day = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-qq", "-o", os.devnull, "-e", inject, *_DAY, str(data)],
        env=os.environ | _QUIET,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    survived = day.returncode == 0
    assert survived or day.returncode == -signal.SIGKILL, f"the day ended with {day.returncode}"
    acknowledged = day.stdout.count(b"done\n")
    result = check_day(data, acknowledged)
    shutil.rmtree(folder)
    return Kill(number, call, acknowledged, result, survived)


def main(folder: str, call: str, first: str, step: str) -> None:
    """Print the outcome of each kill."""
    for kill in sweep(Path(folder), call, int(first), int(step)):
        write_kill(kill)


if __name__ == "__main__":
    main(*sys.argv[1:])
