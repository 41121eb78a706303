"""Scheduled jobs: work that the leader does once a day."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, time, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from freezegun import freeze_time

from app.events.dispatch.dispatcher import Dispatcher
from app.events.dispatch.jobs import JOB_DAYS, RETRY_S, ExpiryJob, ScheduledJob, Work
from app.kernel.errors import StorageFull
from app.store import Collection, Transaction
from app.store.expiry import MAX_DELETED, Expiry
from app.store.files.store import JsonFileStore
from tests.events.conftest import COLLECTIONS, QUICK, Shop
from tests.events.running import is_done, wait_for
from tests.store.faults import full_disk
from tests.transactions import transaction

DONE = Collection(name="done", key="day", sort=lambda each: str(each["day"]), listed=True)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JsonFileStore]:
    """A store with the job days, and the days that were done."""
    store = JsonFileStore(tmp_path / "data", (*COLLECTIONS, JOB_DAYS, DONE))
    yield store
    store.close()


def job(zone: tzinfo = UTC, at: time = time(8)) -> ScheduledJob:
    """A new instance of the job, as another process or the next start has."""

    def work(tx: Transaction, day: str) -> None:
        times = (tx.get(DONE.name, day) or {"times": 0})["times"]
        tx.put(DONE.name, {"day": day, "times": times + 1})

    return ScheduledJob("work", at, zone, work)


def done(store: JsonFileStore) -> dict[str, int]:
    """How many times the job ran for each day."""
    with store.read() as view:
        return {each["day"]: each["times"] for each in view.find(DONE.name).documents}


def run(store: JsonFileStore, moment: str, *jobs: ScheduledJob) -> None:
    with freeze_time(moment):
        for each in jobs or (job(),):
            each.run_if_due(store)


def test_a_job_runs_once_a_day_in_many_processes(store: JsonFileStore) -> None:
    """Neither the number of processes nor a restart runs it again."""
    one, other = job(), job()
    run(store, "2026-11-20T12:00:00Z", one, other)
    assert done(store) == {}
    for minute in ("07:59:59", "08:00:00", "08:00:01", "15:00:00", "23:59:59"):
        run(store, f"2026-11-21T{minute}Z", one, other, job())
    assert done(store) == {"2026-11-21": 1}
    run(store, "2026-11-22T07:59:59Z", one, other, job())
    assert done(store) == {"2026-11-21": 1}
    run(store, "2026-11-22T08:00:00Z", other, one)
    assert done(store) == {"2026-11-21": 1, "2026-11-22": 1}


def test_a_job_runs_once_a_day_when_processes_race(store: JsonFileStore, tmp_path: Path) -> None:
    """Each has a store of its own over the one folder, and all begin in the same moment."""
    run(store, "2026-11-20T12:00:00Z")
    stores = [store, *(JsonFileStore(tmp_path / "data", store.declared[:-1]) for _ in range(3))]
    barrier = threading.Barrier(len(stores))

    def race(own: JsonFileStore) -> None:
        own_job = job()
        barrier.wait()
        own_job.run_if_due(own)

    try:
        with freeze_time("2026-11-21T08:00:00Z"), ThreadPoolExecutor(len(stores)) as pool:
            list(pool.map(race, stores))
        assert done(store) == {"2026-11-21": 1}
    finally:
        for other in stores[1:]:
            other.close()


def test_a_missed_hour_is_made_up_for(store: JsonFileStore) -> None:
    """Without a leader at eight it runs at nine; after several days, for the latest only."""
    run(store, "2026-11-20T09:00:00Z")
    run(store, "2026-11-21T09:00:00Z")
    run(store, "2026-11-25T07:00:00Z")
    assert done(store) == {"2026-11-21": 1, "2026-11-24": 1}


def test_a_clock_that_goes_back_repeats_nothing(store: JsonFileStore) -> None:
    """It may go back by a day, in one process and in many."""
    one = job()
    for moment in ("20T09", "21T09", "20T09", "21T07", "21T09"):
        run(store, f"2026-11-{moment}:00:00Z", one, job())
    assert done(store) == {"2026-11-21": 1}


def test_a_clock_that_was_ahead_stops_no_job(store: JsonFileStore) -> None:
    """After a minute in 2036 the job runs daily again, in the same process and in others."""
    one = job()
    for moment in ("2026-11-20", "2036-11-21", "2026-11-21", "2026-11-22", "2026-11-23"):
        run(store, f"{moment}T09:00:00Z", one, job())
    assert done(store) == {"2036-11-21": 1, "2026-11-22": 1, "2026-11-23": 1}


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
def test_the_hour_is_in_the_time_zone_of_the_shop(
    store: JsonFileStore, at: time, before: str, after: str
) -> None:
    """The local time of day holds in summer, in winter, and when the clocks change."""
    run(store, before, job(BERLIN, at))
    run(store, before, job(BERLIN, at))
    assert done(store) == {}
    run(store, after, job(BERLIN, at))
    run(store, after, job(BERLIN, at))
    assert list(done(store).values()) == [1]


def test_a_job_that_fails_runs_again(store: JsonFileStore) -> None:
    """Neither its effects nor its day are kept."""

    def fail(tx: Transaction, day: str) -> None:
        tx.put(DONE.name, {"day": day, "times": 100})
        raise LookupError("a defect")

    run(store, "2026-11-20T09:00:00Z")
    with pytest.raises(LookupError), freeze_time("2026-11-21T09:00:00Z"):
        ScheduledJob("work", time(8), BERLIN, fail).run_if_due(store)
    run(store, "2026-11-21T09:00:00Z")
    assert done(store) == {"2026-11-21": 1}


def test_a_job_that_fails_waits_a_minute(store: JsonFileStore) -> None:
    """Until then it does not run, so it cannot take the leader's time."""
    attempts = []

    def fail(_tx: Transaction, day: str) -> None:
        attempts.append(day)
        raise LookupError("a defect")

    run(store, "2026-11-20T09:00:00Z")
    failing = ScheduledJob("work", time(8), BERLIN, fail)
    with freeze_time("2026-11-21T09:00:00Z") as clock:
        for seconds, count in ((0, 1), (59, 1), (1, 2), (59, 2), (1, 3)):
            clock.tick(seconds)
            with suppress(LookupError):
                failing.run_if_due(store)
            assert len(attempts) == count


def test_a_failing_job_delays_no_delivery(
    store: JsonFileStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dispatcher logs the failure once, and makes no pause."""

    def fail(_tx: Transaction, _day: str) -> None:
        raise LookupError("a defect")

    monkeypatch.setattr("app.events.dispatch.dispatcher.ERROR_PAUSE_S", 3600.0)
    run(store, "2001-01-01T12:00:00Z")
    shop = Shop(store)
    failing = ScheduledJob("work", time(0), UTC, fail)
    leader = Dispatcher(store, shop.registry, QUICK, jobs=[failing])
    leader.start()
    try:
        wait_for(lambda: "job work failed" in caplog.text)
        event = shop.emit()
        wait_for(lambda: is_done(shop, event))
    finally:
        leader.close()
    assert caplog.text.count("job work failed; it runs again in 60 s: LookupError") == 1


def test_only_the_leader_runs_a_job(store: JsonFileStore) -> None:
    """It runs it while it waits for events; a dispatcher that was not started does not."""
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
    return Dispatcher(store, Shop(store).registry, QUICK, jobs=[job()])


def test_what_has_expired_is_deleted_until_there_is_no_more(store: JsonFileStore) -> None:
    """A few documents at a time; then nothing is done for a minute."""
    expiry = ExpiryJob([Expiry(DONE, after_s=60, max_ahead_s=60)])

    def put(*days: int) -> None:
        with transaction(store) as tx:
            for day in days:
                tx.put(DONE.name, {"day": f"{day:04d}", "times": 1})

    put(*range(MAX_DELETED + 1))
    with freeze_time("2026-11-21T12:00:00Z") as frozen:
        assert [expiry.run_if_due(store) for _ in range(3)] == [True, True, False]
        put(7)
        assert not expiry.run_if_due(store)
        assert list(done(store)) == ["0007"]
        frozen.tick(RETRY_S)
        assert expiry.run_if_due(store)
    assert done(store) == {}


def test_long_work_is_done_in_parts(store: JsonFileStore) -> None:
    """The day counts as done after the last part; another process goes on with what is left."""
    left = ["2026-11-21", "2026-11-21", ""]

    def work(tx: Transaction, day: str) -> Work | None:
        tx.put(DONE.name, {"day": day, "times": 4 - len(left)})
        return work if left.pop(0) else None

    def parts() -> ScheduledJob:
        return ScheduledJob("work", time(8), UTC, work)

    first = parts()
    run(store, "2026-11-20T12:00:00Z", first)
    run(store, "2026-11-21T08:00:00Z", first)
    assert done(store) == {"2026-11-21": 1}
    run(store, "2026-11-21T08:00:01Z", parts(), parts(), parts())
    assert done(store) == {"2026-11-21": 3}
    assert left == []


def test_the_parts_of_a_job_follow_each_other_at_once(
    store: JsonFileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader does not wait as long as it does for events: a night has thousands of parts."""
    monkeypatch.setattr("app.events.dispatch.dispatcher.IDLE_POLL_S", 3600.0)
    run(store, "2001-01-01T12:00:00Z")
    left = list(range(20))

    def work(_tx: Transaction, _day: str) -> Work | None:
        return work if left.pop() else None

    shop = Shop(store)
    leader = Dispatcher(
        store, shop.registry, QUICK, jobs=[ScheduledJob("work", time(0), UTC, work)]
    )
    leader.start()
    try:
        shop.emit()  # ends the first wait
        wait_for(lambda: not left)
    finally:
        leader.close()


def test_a_part_that_was_not_stored_is_done_again(store: JsonFileStore) -> None:
    """On a full disk nothing is left out: the job goes on after the last part on disk."""
    parts: list[str] = []

    def first(tx: Transaction, day: str) -> Work:
        tx.put(DONE.name, {"day": day, "times": 1})
        return second

    def second(tx: Transaction, day: str) -> None:
        parts.append("second")
        tx.put(DONE.name, {"day": day, "times": 2})

    long_job = ScheduledJob("work", time(8), UTC, first)
    run(store, "2026-11-20T12:00:00Z", long_job)
    with freeze_time("2026-11-21T08:00:00Z") as clock:
        assert long_job.run_if_due(store)
        with full_disk(1), pytest.raises(StorageFull):
            long_job.run_if_due(store)
        clock.tick(60)
        assert not long_job.run_if_due(store)
    assert parts == ["second", "second"]
    assert done(store) == {"2026-11-21": 2}
