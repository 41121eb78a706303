"""After kill -9 by the kernel at any system call, nothing acknowledged is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.conftest import EVERYTHING, SEED, Report
from tests.durability.sweep import read_kills
from tests.durability.syscalls import CALLS, why_not
from tests.processes.servers import ROOT

STEP = 1 if EVERYTHING else 25
REQUIRED = os.environ.get("STRACE_TESTS") == "required"
"""Set in CI: fail where strace is missing, rather than skip."""

MIN_CALLS = {"pwrite64": 100, "fsync": 75, "rename": 75, "fdatasync": 20, "unlink": 200}
"""The least number of these calls that a day makes in the thread that places orders."""


@pytest.fixture(autouse=True)
def strace() -> None:
    """Skip, or fail where STRACE_TESTS requires it, unless strace can trace."""
    reason = why_not()
    assert not (reason and REQUIRED), reason
    if reason:
        pytest.skip(f"{reason} (STRACE_TESTS=required fails instead)")


@pytest.mark.deep
@pytest.mark.long
@pytest.mark.parametrize("call", CALLS)
def test_shop_survives_a_kill_in_the_kernel(scratch: Path, call: str, report: Report) -> None:
    """A kill at each call of a kind (every 25th of the frequent ones in CI) loses nothing."""
    step = STEP if call in MIN_CALLS else min(STEP, 4)
    first = 1 + SEED % step if call != "mkdir" else 1
    words = ["-m", "tests.durability.syscalls", str(scratch), call, str(first), str(step)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    kills = read_kills(done.stdout)
    for kill in kills:
        assert not kill.result.problems, f"{kill.step} {kill.number} while {kill.doing}"
    assert kills[-1].survived
    assert kills[-1].number > MIN_CALLS.get(call, 0)
    report(len(kills) - 1, "kills in a system call")
