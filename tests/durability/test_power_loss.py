"""After a power cut every acknowledged change is there, whatever else the disk kept."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from tests.durability.conftest import EVERYTHING, SEED, Report
from tests.durability.disk import REMOVE, SYNC_FOLDER
from tests.durability.power_loss import State, platters
from tests.durability.recordings import record_day, record_rush
from tests.durability.recovery import Recording, try_states

QUICK, DEEP, ALL = 200, 750, 30_000
SHARDS = 4

Record = Callable[[Path], Recording]
RECORDINGS = pytest.mark.parametrize("record", [record_day, record_rush])


def content_of(folder: Path) -> dict[str, bytes]:
    """The files of the store in the folder, without lock files, mail and gateway."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and not {"mail", "gateway"} & {*path.parts}
    }


@RECORDINGS
def test_tape_has_every_change_of_the_disk(scratch: Path, record: Record) -> None:
    """With everything kept, the model of the disk equals the real folder."""
    data = scratch / "data"
    tape = record(data).tape
    *_, (moment, platter) = platters(tape)
    names = frozenset(number for number, _ in platter.pending_names)
    image = platter.image(State(moment, names))
    assert {name: each for name, each in image.items() if each is not None} == content_of(data)


def test_segments_leave_the_disk_oldest_first(scratch: Path) -> None:
    """A power cut never keeps an older segment of the journal and not the next one."""
    tape = record_rush(scratch / "data").tape
    of_names = [entry for entry in tape if entry.call in (REMOVE, SYNC_FOLDER)]
    removed = [entry.name for entry in of_names if entry.call == REMOVE]
    assert removed == sorted(removed)
    assert len(removed) >= 4
    for entry, following in pairwise(of_names):
        if entry.call == REMOVE:
            assert (following.call, following.name) == (SYNC_FOLDER, "journal")


def test_some_power_cuts_lose_nothing(scratch: Path) -> None:
    """Some random states of the disk after a power cut lose nothing."""
    tried = try_states(record_rush(scratch / "data"), scratch, Random(SEED), QUICK)
    assert not tried.bad, f"seed {SEED}"
    assert tried.disks > QUICK / 3


@pytest.mark.deep
@pytest.mark.parametrize("shard", range(SHARDS))
@RECORDINGS
def test_power_cuts_lose_nothing(scratch: Path, record: Record, shard: int, report: Report) -> None:
    """Many random states lose nothing; with `make crash` more than 100,000 in all.

    The more states are tried, the more of them lead to a disk that was tried before.
    """
    seed = SEED + 1 + shard
    most = ALL if EVERYTHING else DEEP
    tried = try_states(record(scratch / "data"), scratch, Random(seed), most)
    assert not tried.bad, f"seed {seed}"
    assert tried.disks > min(most / 3, 5_000)
    report(tried.states, "states after a power cut")
    report(tried.disks, f"different disks of {record.__name__.removeprefix('record_')}")
