"""kill -9 at every file call of a day in the shop: nothing acknowledged is lost, nothing half."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.conftest import EVERYTHING, Tell
from tests.durability.sweep import Kill, read_kills
from tests.processes.servers import ROOT

SWEEPS = 4
"""How many go on side by side; each waits for its disk most of the time."""

MOST_CALLS = 5000


def swept(scratch: Path, first: int, step: int) -> list[Kill]:
    """All kills of a sweep in a process of its own, which may fork because it has no threads."""
    words = ["-m", "tests.durability.sweep", str(scratch), str(first), str(step)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return read_kills(done.stdout)


def check(kills: list[Kill]) -> None:
    """Each left a sound shop; the last one survived, for its day has no more calls."""
    for kill in kills:
        assert not kill.verdict.problems, f"kill {kill.number} ({kill.step}) while {kill.doing}"
    assert [kill.survived for kill in kills] == [False] * (len(kills) - 1) + [True]
    assert kills[-1].verdict.orders == 10


def test_shop_survives_kills_all_over_its_day(scratch: Path) -> None:
    """A handful of the calls, from the first start to the last checkpoint."""
    kills = swept(scratch, first=23, step=199)
    check(kills)
    assert len(kills) >= 5


@pytest.mark.deep
@pytest.mark.parametrize("first", range(1, SWEEPS + 1))
def test_shop_survives_a_kill_at_every_call(scratch: Path, first: int, tell: Tell) -> None:
    """Every call with `make crash`; every fourth in CI."""
    step = SWEEPS if EVERYTHING else 4 * SWEEPS
    kills = swept(scratch, first, step)
    check(kills)
    assert MOST_CALLS > kills[-1].number > 600
    tell(len(kills) - 1, "kills at a file call")
