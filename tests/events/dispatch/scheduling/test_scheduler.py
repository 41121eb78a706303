"""The scheduler: which partitions may run now, from outbox records alone."""

import pytest
from freezegun import freeze_time

from app.events.dispatch.delivery import Partition
from app.events.dispatch.scheduling.ready_queues import BUSY_INTERVAL_S
from app.events.dispatch.scheduling.scheduler import Scheduler
from app.events.outbox import DEAD, DONE, PENDING
from app.kernel import clock
from app.kernel.errors import Unavailable
from app.store import ALL_SHARDS, Document

BILLING = Partition("order-1", "billing")


def record(event_id: str, state: str = PENDING, **delivery: str) -> Document:
    """An outbox record with one delivery, to billing."""
    deliveries = {"billing": {"state": state, "attempts": 0} | delivery}
    return {"id": event_id, "event": {"subject": "order-1"}, "deliveries": deliveries}


def capacity(_handler: str) -> int:
    return 16


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(in_flight=())


def test_a_pending_head_is_taken_once(scheduler: Scheduler) -> None:
    """A repeated report of the change feed does not return a taken partition again."""
    scheduler.update("event-1", record("event-1"))
    scheduler.update("event-1", record("event-1"))
    assert scheduler.take(capacity) == [BILLING]
    scheduler.update("event-1", record("event-1"))
    scheduler.update("event-2", record("event-2"))
    assert scheduler.take(capacity) == []
    assert scheduler.head(BILLING) == "event-1"


def test_a_released_partition_goes_on_with_its_next_event(scheduler: Scheduler) -> None:
    """The next event is ready at once, without another report of the change feed."""
    scheduler.update("event-1", record("event-1"))
    scheduler.update("event-2", record("event-2"))
    scheduler.take(capacity)
    scheduler.release(BILLING, "event-1", record("event-1", DONE))
    assert scheduler.take(capacity) == [BILLING]
    assert scheduler.head(BILLING) == "event-2"


def test_a_partition_released_dead_is_not_taken_again(scheduler: Scheduler) -> None:
    """It stays blocked until its head is replayed or discarded."""
    scheduler.update("event-1", record("event-1"))
    scheduler.update("event-2", record("event-2"))
    scheduler.take(capacity)
    scheduler.release(BILLING, "event-1", record("event-1", DEAD))
    assert scheduler.take(capacity) == []
    scheduler.update("event-1", record("event-1"))
    assert scheduler.take(capacity) == [BILLING]


def test_a_partition_in_flight_from_an_earlier_loop_waits_for_its_release(
    scheduler: Scheduler,
) -> None:
    """Its delivery is still in the worker pool, even if its event has left the outbox."""
    scheduler = Scheduler(in_flight={BILLING})
    scheduler.update("event-2", record("event-2"))
    assert scheduler.take(capacity) == []
    scheduler.release(BILLING, "event-1", None)
    assert scheduler.take(capacity) == [BILLING]


@pytest.mark.parametrize(("due_in_s", "taken"), [(-1, [BILLING]), (30, [])])
def test_a_retry_is_due_when_its_record_says(
    scheduler: Scheduler, due_in_s: float, taken: list[Partition]
) -> None:
    """The time of the next attempt is in the outbox, whichever process made the last one."""
    at, retry_at = clock.ago(60), clock.ago(-due_in_s)
    scheduler.update("event-1", record("event-1", at=at, retry_at=retry_at))
    assert scheduler.take(capacity) == taken


def test_a_clock_that_was_set_back_delays_no_retry_for_long(scheduler: Scheduler) -> None:
    """A retry_at a day ahead counts as the wait that was chosen when the attempt failed."""
    failed_at, retry_at = clock.ago(-86310), clock.ago(-86400)
    scheduler.update("event-1", record("event-1", at=failed_at, retry_at=retry_at))
    assert scheduler.wait_s(capacity, max_wait_s=1e9) <= 120


def test_a_handler_without_capacity_is_passed_over(scheduler: Scheduler) -> None:
    """Its partitions wait, and do not shorten the wait of the loop."""
    scheduler.update("event-1", record("event-1"))
    assert scheduler.take(lambda _handler: 0) == []
    assert scheduler.wait_s(lambda _handler: 0, max_wait_s=0.25) == 0.25
    assert scheduler.wait_s(capacity, max_wait_s=0.25) == 0


def test_an_empty_scheduler_waits_the_maximum(scheduler: Scheduler) -> None:
    assert scheduler.wait_s(capacity, max_wait_s=0.25) == 0.25


def test_finished_events_use_no_memory(scheduler: Scheduler) -> None:
    """A dispatcher that runs for months keeps only one ready queue for each handler."""
    scheduler.update("event-1", record("event-1"))
    scheduler.take(capacity)
    scheduler.release(BILLING, "event-1", record("event-1", DONE))
    scheduler.update("event-1", None)
    remembered = vars(scheduler)
    assert not any(vars(remembered["_partitions"]).values())
    assert remembered["_busy"] == set()
    assert list(vars(remembered["_ready"])["_own"]) == ["billing"]


def test_subscribers_get_a_few_deliveries_together(scheduler: Scheduler) -> None:
    """They begin in turn; while a handler of the shop has work, they get one now and then."""
    for n in range(40):
        names = ("hook:1", "hook:2", "billing") if n == 0 else ("hook:1", "hook:2")
        event_id = f"event-{n:02}"
        deliveries = {name: {"state": PENDING, "attempts": 0} for name in names}
        event = {"subject": f"order-{n}"}
        scheduler.update(event_id, {"id": event_id, "event": event, "deliveries": deliveries})
    with freeze_time() as frozen:
        takes = [scheduler.take(lambda _handler: 9)]
        assert scheduler.take(lambda _handler: 9) == []
        assert scheduler.wait_s(lambda _handler: 9, max_wait_s=1.0) > 0
        frozen.tick(BUSY_INTERVAL_S)
        takes.append(scheduler.take(lambda _handler: 9))
    assert [each.handler for each in takes[1]] == ["hook:2"]
    scheduler.release(Partition("order-0", "billing"), "event-00", None)
    takes[1:] = [scheduler.take(lambda _handler: 3) for _ in range(2)]
    assert [each.handler for each in takes[0]] == ["billing", "hook:1"]
    assert [each.handler for each in takes[1]] == ["hook:1"] * 3 + ["hook:2"]
    assert [each.handler for each in takes[2]] == ["hook:1"] * 3 + ["hook:2"]


def test_events_of_other_shards_are_left_to_other_processes() -> None:
    """Neither a new one nor one that has changed is taken."""
    scheduler = Scheduler([], ALL_SHARDS - {BILLING.shard})
    for event in (record("event-1"), record("event-1", retry_at=clock.now())):
        scheduler.update("event-1", event)
        assert scheduler.take(capacity) == []
    assert scheduler.wait_s(capacity, max_wait_s=0.25) == 0.25


def test_a_subscriber_that_is_slow_makes_nothing_overdue(scheduler: Scheduler) -> None:
    """The shop is ready for orders however late another system is."""
    with freeze_time() as frozen:
        deliveries = {"hook:1": {"state": PENDING, "attempts": 0}}
        event = {"subject": "order-1"}
        scheduler.update("event-1", {"id": "event-1", "event": event, "deliveries": deliveries})
        frozen.tick(100)
        assert scheduler.overdue_s() == 0
        scheduler.update("event-2", record("event-2"))
        frozen.tick(7)
        assert scheduler.overdue_s() == 7


def test_an_undone_transaction_is_begun_again(scheduler: Scheduler) -> None:
    """What it has released or taken is in flight again, and runs once."""
    scheduler.update("event-1", record("event-1"))
    scheduler.update("event-2", record("event-2"))
    taken = scheduler.take(capacity)
    scheduler.begin(taken)
    scheduler.release(BILLING, "event-1", record("event-1", DONE))
    assert scheduler.restart([], lambda event_id: record(event_id)) == [BILLING]
    assert scheduler.head(BILLING) == "event-1"
    assert scheduler.take(capacity) == []
    scheduler.release(BILLING, "event-1", record("event-1", DONE))
    assert scheduler.take(capacity) == [BILLING]
    assert scheduler.head(BILLING) == "event-2"


def test_what_an_undone_transaction_took_runs_in_the_next(scheduler: Scheduler) -> None:
    """A partition that became ready during the first run is not lost."""
    scheduler.begin([])
    scheduler.update("event-1", record("event-1"))
    assert scheduler.take(capacity) == [BILLING]
    assert scheduler.restart([], lambda event_id: record(event_id)) == [BILLING]
    assert scheduler.take(capacity) == []


def test_a_completed_delivery_of_an_undone_transaction_stays_in_flight() -> None:
    """Its result is in the worker pool still: it is recorded again, and not run again."""
    scheduler = Scheduler(in_flight={BILLING})
    scheduler.update("event-1", record("event-1"))
    scheduler.update("event-2", record("event-2"))
    scheduler.begin([])
    scheduler.release(BILLING, "event-1", record("event-1", DONE))
    assert scheduler.take(capacity) == [BILLING]
    assert scheduler.restart([BILLING], lambda event_id: record(event_id)) == []
    assert scheduler.take(capacity) == []


def test_a_postponed_delivery_stays_postponed(scheduler: Scheduler) -> None:
    """The second run does not bring it forward."""
    scheduler.update("event-1", record("event-1"))
    scheduler.begin(scheduler.take(capacity))
    scheduler.postpone(BILLING, 30)
    assert scheduler.restart([], lambda event_id: record(event_id)) == []
    assert scheduler.take(capacity) == []


def test_an_undone_retry_does_not_wait(scheduler: Scheduler) -> None:
    """The delivery that an undone run had wait for its retry runs at once."""
    scheduler.update("event-1", record("event-1"))
    scheduler.begin(scheduler.take(capacity))
    retry_at = clock.ago(-30)
    retried = record("event-1", at=clock.now(), retry_at=retry_at, error="no")
    scheduler.release(BILLING, "event-1", retried)
    assert scheduler.restart([], lambda event_id: record(event_id)) == [BILLING]
    scheduler.release(BILLING, "event-1", retried)
    assert scheduler.take(capacity) == []


def test_an_undone_transaction_leaves_the_breaker_as_it_was(scheduler: Scheduler) -> None:
    """Five outages of an undone run do not open it."""
    scheduler.begin([])
    for _ in range(5):
        scheduler.breaker("billing").record(Unavailable("down"))
    assert scheduler.breaker("billing").is_open
    scheduler.restart([], lambda event_id: record(event_id))
    assert not scheduler.breaker("billing").is_open
