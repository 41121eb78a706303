"""After kill -9 at any file call nothing acknowledged is lost, and nothing is half done."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.conftest import EVERYTHING, Report
from tests.durability.sweep import Kill, read_kills
from tests.processes.servers import ROOT

SWEEPS = 4
"""How many sweeps run in parallel."""

MAX_CALLS = 5000


def swept(scratch: Path, first: int, step: int) -> list[Kill]:
    """The kills of a sweep in a process of its own, which may fork because it has no threads."""
    words = ["-m", "tests.durability.sweep", str(scratch), str(first), str(step)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return read_kills(done.stdout)


def check(kills: list[Kill]) -> None:
    """Assert that each kill left a sound shop, and that only the last process survived."""
    for kill in kills:
        assert not kill.result.problems, f"kill {kill.number} ({kill.step}) while {kill.doing}"
    assert [kill.survived for kill in kills] == [False] * (len(kills) - 1) + [True]
    assert kills[-1].result.orders == 10


@pytest.mark.deep
@pytest.mark.long
@pytest.mark.parametrize("first", range(1, SWEEPS + 1))
def test_shop_survives_a_kill_at_every_call(scratch: Path, first: int, report: Report) -> None:
    """A kill at every call (every 24th in CI) loses nothing."""
    step = SWEEPS if EVERYTHING else 24 * SWEEPS
    kills = swept(scratch, first, step)
    check(kills)
    assert MAX_CALLS > kills[-1].number > 600
    report(len(kills) - 1, "kills at a file call")
