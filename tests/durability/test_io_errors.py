"""When any file call fails in any way, nothing unsafe is acknowledged, and the store recovers."""

import errno
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from app.kernel.errors import Unavailable
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from tests.durability.conftest import Report
from tests.durability.disk import OPEN, SYNC_FOLDER, Disk, Entry, Step
from tests.durability.failing_disk import KINDS, ORDERS, Clerk, Died, Mortal, failing_at
from tests.durability.power_loss import State, platters
from tests.durability.recovery import write_image
from tests.store.shop import COLLECTIONS, all_orders, order, put_orders

MAX_FAILURES = 2
"""A failing call may fail the act that makes it, and one that waits for the same sync."""


def calls_without_a_fault(data: Path) -> int:
    """How many calls the clerk's work makes."""
    with Disk(data, reads=True) as disk:
        clerk = Clerk(data)
        clerk.work()
        clerk.store.close()
    assert len(clerk.kept) == ORDERS
    return disk.steps


def cut_power(tape: list[Entry], folder: Path) -> None:
    """Write to `folder` what is left after a power cut loses everything unsynced."""
    *_, (moment, platter) = platters(tape)
    write_image(folder, platter.image(State(moment, frozenset(), bare=True)))


def problems_in(data: Path, *clerks: Clerk) -> list[str]:
    """The differences between a new store on the folder and the outcomes recorded."""
    store = JsonFileStore(data, COLLECTIONS)
    found = all_orders(store)
    with store.read() as view:
        halves = set(view.keys("notes")) ^ found.keys()
    store.close()
    problems = [f"half a transaction: {each}" for each in halves]
    return problems + [problem for clerk in clerks for problem in clerk.problems(found)]


def problems_after(folder: Path, number: int, kind: str) -> list[str]:
    """Fail that call; check the same store, a new one, and one after a power cut."""
    data, after = folder / "data", folder / "after"
    with Disk(data, failing_at(number, kind), reads=True) as disk:
        clerk = Clerk(data)
        clerk.work()
        problems = clerk.problems(all_orders(clerk.store))
        clerk.store.close()
    cut_power(disk.tape, after)
    for each in (data, after):
        problems += [f"{problem}, in {each.name}" for problem in problems_in(each, clerk)]
    if clerk.failures > MAX_FAILURES:
        problems.append(f"{clerk.failures} acts failed after one fault")
    return problems


def problems_after_a_death(folder: Path, number: int) -> list[str]:
    """Die at that call; another process continues; then the power is cut."""
    shop = folder / "shop"
    shop.mkdir(parents=True)
    data, process = shop / "data", Mortal(number)
    clerks = []
    with Disk(shop, process, reads=True) as disk:
        with suppress(Died):
            clerks.append(Clerk(data))
            clerks[0].work()
        process.revive()
        clerks.append(Clerk(data, "later"))
        clerks[-1].work()
        clerks[-1].store.close()
    cut_power(disk.tape, folder / "after")
    problems = problems_in(folder / "after" / "data", *clerks)
    return [*problems, *problems_in(data, *clerks)]


def tried(scratch: Path, numbers: Iterable[int], problems: Callable[[Path, int], list[str]]) -> int:
    """Try each number in a folder of its own; returns how many there were."""
    bad, count = {}, 0
    for number in numbers:
        folder = scratch / str(number)
        if found := problems(folder, number):
            bad[number] = found
        shutil.rmtree(folder)
        count += 1
    assert not bad
    return count


@pytest.fixture
def calls(scratch: Path) -> int:
    """How many calls there are to fail."""
    return calls_without_a_fault(scratch / "sound")


@pytest.mark.parametrize("place", range(len(KINDS)), ids=KINDS)
def test_some_calls_may_fail_in_every_way(scratch: Path, calls: int, place: int) -> None:
    """Of the calls of a working store, some fail in each way without harm."""
    numbers = range(1 + 3 * place, calls + 1, 40)
    tried(scratch, numbers, partial(problems_after, kind=KINDS[place]))


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
def test_every_call_may_fail_in_every_way(
    scratch: Path, calls: int, kind: str, report: Report
) -> None:
    """Of the calls of a working store, each fails in each way without harm."""
    numbers = range(1, calls + 1)
    count = tried(scratch, numbers, partial(problems_after, kind=kind))
    report(count, "file calls that failed")


def test_some_calls_may_be_the_last_before_a_power_cut(scratch: Path, calls: int) -> None:
    """After a death and a power cut, what another process acknowledged since is safe."""
    tried(scratch, range(2, calls, 30), problems_after_a_death)


@pytest.mark.deep
def test_every_call_may_be_the_last_before_a_power_cut(
    scratch: Path, calls: int, report: Report
) -> None:
    """The same for a death at every call."""
    count = tried(scratch, range(1, calls + 1), problems_after_a_death)
    report(count, "processes that died before a power cut")


def test_name_of_a_segment_is_safe_before_anything_builds_on_it(scratch: Path) -> None:
    """After a checkpoint failed to sync the name of a segment, the next writer syncs it."""
    data = scratch / "data"

    def before(step: Step) -> None:
        if step.call == SYNC_FOLDER and armed:
            armed.clear()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    armed: list[bool] = []
    with Disk(data, before) as disk:
        store = JsonFileStore(data, COLLECTIONS)
        put_orders(store, order("a"))
        armed.append(True)
        with pytest.raises(Unavailable):
            Checkpointer(store).checkpoint()
        put_orders(store, order("b"))
        cut_power(disk.tape, scratch / "after")
        store.close()
    found = JsonFileStore(scratch / "after", COLLECTIONS)
    assert set(all_orders(found)) == {"a", "b"}
    found.close()


def test_name_of_the_data_folder_is_safe_before_anything_builds_on_it(scratch: Path) -> None:
    """After a first start died with the folder's name unsynced, the second start syncs it."""
    process = Mortal(2)
    with Disk(scratch, process) as disk:
        with pytest.raises(Died):
            JsonFileStore(scratch / "data", COLLECTIONS)
        process.revive()
        store = JsonFileStore(scratch / "data", COLLECTIONS)
        put_orders(store, order("a"))
        store.close()
    cut_power(disk.tape, scratch / "after")
    assert (scratch / "after" / "data" / "journal").is_dir()


def test_segment_that_could_not_be_opened_is_opened_again(scratch: Path) -> None:
    """A store works again as soon as a file system is no longer read-only."""
    data = scratch / "data"

    def before(step: Step) -> None:
        if step.call == OPEN and step.name == "journal/00000002.ndjson" and not met:
            met.append(step)
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    met: list[Step] = []
    with Disk(data, before, reads=True):
        store = JsonFileStore(data, COLLECTIONS)
        put_orders(store, order("a"))
        with pytest.raises(Unavailable):
            Checkpointer(store).checkpoint()
        assert Checkpointer(store).checkpoint()
        store.close()
    assert met
