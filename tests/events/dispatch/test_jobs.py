"""Work that is done once a day."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, time, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from freezegun import freeze_time

from app.events.dispatch.dispatcher import Dispatcher
from app.events.dispatch.jobs import DAYS, ScheduledJob
from app.store import Collection, Transaction
from app.store.files.store import JsonFileStore
from tests.events.conftest import COLLECTIONS, QUICK, Shop
from tests.events.running import wait_for

DONE = Collection(name="done", key="day", listed=True)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JsonFileStore]:
    """A store for the days, and for what was done."""
    store = JsonFileStore(tmp_path / "data", (*COLLECTIONS, DAYS, DONE))
    yield store
    store.close()


def daily(zone: tzinfo = UTC, at: time = time(8)) -> ScheduledJob:
    """As another process, or the next start, would have it."""

    def work(tx: Transaction, day: str) -> None:
        times = (tx.get(DONE.name, day) or {"times": 0})["times"]
        tx.put(DONE.name, {"day": day, "times": times + 1})

    return ScheduledJob("work", at, zone, work)


def done(store: JsonFileStore) -> dict[str, int]:
    """How often the work of each day was done."""
    with store.read() as view:
        return {each["day"]: each["times"] for each in view.find(DONE.name).documents}


def run(store: JsonFileStore, moment: str, *tasks: ScheduledJob) -> None:
    with freeze_time(moment):
        for each in tasks or (daily(),):
            each.run_if_due(store)


def test_each_day_is_done_once_by_many(store: JsonFileStore) -> None:
    """However many processes ask, and however often they are started anew."""
    one, other = daily(), daily()
    run(store, "2026-11-20T12:00:00Z", one, other)
    assert done(store) == {}
    for minute in ("07:59:59", "08:00:00", "08:00:01", "15:00:00", "23:59:59"):
        run(store, f"2026-11-21T{minute}Z", one, other, daily())
    assert done(store) == {"2026-11-21": 1}
    run(store, "2026-11-22T07:59:59Z", one, other, daily())
    assert done(store) == {"2026-11-21": 1}
    run(store, "2026-11-22T08:00:00Z", other, one)
    assert done(store) == {"2026-11-21": 1, "2026-11-22": 1}


def test_each_day_is_done_once_by_processes_that_race(store: JsonFileStore, tmp_path: Path) -> None:
    """Each has a store of its own over the one folder, and all begin in the same moment."""
    run(store, "2026-11-20T12:00:00Z")
    stores = [store, *(JsonFileStore(tmp_path / "data", store.declared[:-1]) for _ in range(3))]
    barrier = threading.Barrier(len(stores))

    def race(own: JsonFileStore) -> None:
        task = daily()
        barrier.wait()
        task.run_if_due(own)

    try:
        with freeze_time("2026-11-21T08:00:00Z"), ThreadPoolExecutor(len(stores)) as pool:
            list(pool.map(race, stores))
        assert done(store) == {"2026-11-21": 1}
    finally:
        for other in stores[1:]:
            other.close()


def test_a_missed_hour_is_made_up_for(store: JsonFileStore) -> None:
    """Nobody led at eight: it is done at nine; of several days, the latest."""
    run(store, "2026-11-20T09:00:00Z")
    run(store, "2026-11-21T09:00:00Z")
    run(store, "2026-11-25T07:00:00Z")
    assert done(store) == {"2026-11-21": 1, "2026-11-24": 1}


def test_a_clock_that_goes_back_repeats_nothing(store: JsonFileStore) -> None:
    for moment in ("20T09", "21T09", "19T09", "20T09", "21T09"):
        run(store, f"2026-11-{moment}:00:00Z")
    assert done(store) == {"2026-11-21": 1}


@pytest.mark.parametrize(
    ("at", "before", "after"),
    [
        (time(8), "2026-11-21T06:59:59Z", "2026-11-21T07:00:00Z"),
        (time(8), "2026-07-21T05:59:59Z", "2026-07-21T06:00:00Z"),
        (time(0, 30), "2026-11-20T23:29:59Z", "2026-11-20T23:30:00Z"),
        # the clocks go from 2:00 to 3:00: the hour is there in name only
        (time(2, 30), "2026-03-29T00:59:59Z", "2026-03-29T01:30:00Z"),
        # the clocks go from 3:00 back to 2:00: the first half past two counts
        (time(2, 30), "2026-10-25T00:29:59Z", "2026-10-25T00:30:00Z"),
    ],
)
def test_the_hour_is_that_of_the_shop(
    store: JsonFileStore, at: time, before: str, after: str
) -> None:
    """In its time zone, in summer and winter, and when the clocks change."""
    run(store, before, daily(BERLIN, at))
    run(store, before, daily(BERLIN, at))
    assert done(store) == {}
    run(store, after, daily(BERLIN, at))
    run(store, after, daily(BERLIN, at))
    assert list(done(store).values()) == [1]


def test_work_that_fails_is_not_done(store: JsonFileStore) -> None:
    """Neither its effects nor the day are kept; the next attempt does it."""

    def fail(tx: Transaction, day: str) -> None:
        tx.put(DONE.name, {"day": day, "times": 100})
        raise LookupError("a defect")

    run(store, "2026-11-20T09:00:00Z")
    with pytest.raises(LookupError), freeze_time("2026-11-21T09:00:00Z"):
        ScheduledJob("work", time(8), BERLIN, fail).run_if_due(store)
    run(store, "2026-11-21T09:00:00Z")
    assert done(store) == {"2026-11-21": 1}


def test_it_is_the_leader_who_does_it(store: JsonFileStore) -> None:
    """A dispatcher that leads does it while it waits for events; one that does not, doesn't."""
    run(store, "2001-01-01T12:00:00Z")
    leader, other = dispatcher(store), dispatcher(store)
    leader.start()
    try:
        wait_for(lambda: bool(done(store)))
    finally:
        leader.close()
    other.close()
    assert list(done(store).values()) == [1]


def dispatcher(store: JsonFileStore) -> Dispatcher:
    return Dispatcher(store, Shop(store).signals, QUICK, daily=[daily()])
