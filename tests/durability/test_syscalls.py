"""kill -9 by the kernel itself, on the way into the system calls of a day in the shop."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.conftest import EVERYTHING, SEED, Tell
from tests.durability.sweep import read_kills
from tests.durability.syscalls import CALLS, why_not
from tests.processes.servers import ROOT

STEP = 1 if EVERYTHING else 10
REQUIRED = os.environ.get("STRACE_TESTS") == "required"
"""Set in CI: fail where strace is missing, rather than skip."""

FEWEST = {"pwrite64": 150, "fsync": 150, "rename": 100, "fdatasync": 30}
"""So many of these calls, at the least, a day makes in the thread that places the orders."""


@pytest.fixture(autouse=True)
def strace() -> None:
    """It is there and may trace."""
    reason = why_not()
    assert not (reason and REQUIRED), reason
    if reason:
        pytest.skip(f"{reason} (STRACE_TESTS=required fails instead)")


@pytest.mark.deep
@pytest.mark.parametrize("call", CALLS)
def test_shop_survives_a_kill_in_the_kernel(scratch: Path, call: str, tell: Tell) -> None:
    """Each call of a kind in turn with `make crash`; every tenth of the frequent ones in CI."""
    step = STEP if call in FEWEST else min(STEP, 4)
    first = 1 + SEED % step if call != "mkdir" else 1
    words = ["-m", "tests.durability.syscalls", str(scratch), call, str(first), str(step)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    kills = read_kills(done.stdout)
    for kill in kills:
        assert not kill.verdict.problems, f"{kill.step} {kill.number} while {kill.doing}"
    assert kills[-1].survived
    assert kills[-1].number > FEWEST.get(call, 0)
    tell(len(kills) - 1, "kills in a system call")
