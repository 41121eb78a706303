"""`flask backup` and `flask restore`, killed by the kernel on the way into any system call."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from app import COLLECTIONS
from app.kernel.errors import Conflict, Invalid
from app.store.files.tools.manifest import MANIFEST, Files, digest_files
from app.store.files.tools.restore import refuse_unfinished_restore, restore
from tests.cli import shell
from tests.durability.conftest import EVERYTHING, SEED, Report
from tests.durability.day import Shop, a_day
from tests.durability.syscalls import why_not
from tests.durability.test_syscalls import REQUIRED
from tests.processes.servers import ROOT

CALLS = ("mkdir", "write", "pwrite64", "fsync", "syncfs", "rename")
"""All by which the commands change the disk, by Linux's names on x86-64."""

STEP = 1 if EVERYTHING else 6


@pytest.fixture
def shop(scratch: Path) -> Path:
    """A closed shop with orders, mail and payments, and the empty folder b/ beside it."""
    reason = why_not()
    assert not (reason and REQUIRED), reason
    if reason:
        pytest.skip(f"{reason} (STRACE_TESTS=required fails instead)")
    (scratch / "b").mkdir()
    shop = Shop(scratch / "shop")
    for operation in a_day()[:12]:
        shop.do(operation)
    shop.close()
    return scratch / "shop"


def kills(data: Path, command: str, folder: Path, call: str) -> Iterator[int]:
    """Give the command, killed at its first call of that kind, then later, until it survives.

    Yields after each try how many there were.
    """
    step = STEP if call in ("write", "fsync") else 1
    for tries in count(1):
        number = 1 + SEED % step + step * (tries - 1)
        inject = f"inject={call}:signal=SIGKILL:when={number}"
        words = ["-f", "--seccomp-bpf", "-qq", "-o", os.devnull, "-e", inject, sys.executable]
        done = subprocess.run(
            ["strace", *words, "-m", "flask", command, str(folder)],
            env=os.environ | {"DAYBOOK_DATA": str(data), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=ROOT,
            capture_output=True,
        )
        survived = done.returncode == 0
        assert survived or done.returncode == -signal.SIGKILL, done.stderr
        yield tries
        if survived:
            return


def restored(backup: Path, folder: Path) -> Files:
    """Restore it, which verifies it; returns the files."""
    restore(backup, folder, COLLECTIONS)
    return digest_files(folder)


@pytest.mark.deep
@pytest.mark.parametrize("call", CALLS)
def test_a_killed_backup_is_whole_or_none(
    shop: Path, scratch: Path, call: str, report: Report
) -> None:
    """It has its name only when it can be restored; the next one removes what is left of others."""
    before: list[Path] = []
    for tries in kills(shop, "backup", scratch / "b" / "monday", call):
        found = list((scratch / "b").iterdir())
        assert not set(found) & set(before), "what a killed backup left was not removed"
        for path in found:
            if path.name == "monday":
                files = restored(path, scratch / f"new-{tries}")
                assert any(name.startswith("mail/new/") for name in files)
                assert "gateway/account.sqlite" in files
                path.rename(scratch / f"monday-{tries}")
            else:
                before.append(path)
                with pytest.raises(Invalid, match="interrupted"):
                    restore(path, scratch / "never", COLLECTIONS, needs_manifest=False)
    report(tries - 1, "kills of a backup")


@pytest.mark.deep
@pytest.mark.parametrize("call", CALLS)
def test_a_killed_restore_is_whole_or_none(
    shop: Path, scratch: Path, call: str, report: Report
) -> None:
    """The data folder is complete or missing; in that case no shop begins until it is restored."""
    monday, data = scratch / "b" / "monday", scratch / "place" / "data"
    assert shell.run(shop, "backup", str(monday))[0] == 0
    expected = restored(monday, scratch / "expected")
    assert MANIFEST not in expected
    for tries in kills(data, "restore", monday, call):
        if not data.exists():
            if list(data.parent.glob(".*")):
                with pytest.raises(Conflict, match="has not ended"):
                    refuse_unfinished_restore(data)
            restore(monday, data, COLLECTIONS)
        assert digest_files(data) == expected
        assert list(data.parent.iterdir()) == [data]
        data.rename(scratch / f"data-{tries}")
    report(tries - 1, "kills of a restore")
