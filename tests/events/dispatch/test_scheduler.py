"""Which lanes may run now: built from outbox records alone."""

import pytest

from app.events.dispatch.partitions import Partition
from app.events.dispatch.scheduler import Schedule
from app.events.outbox import DEAD, DONE, PENDING
from app.kernel import clock
from app.store import Document

BILLING = Partition("order-1", "billing")


def record(event_id: str, state: str = PENDING, **delivery: str) -> Document:
    """An outbox record with one delivery, to billing."""
    deliveries = {"billing": {"state": state, "attempts": 0} | delivery}
    return {"id": event_id, "event": {"subject": "order-1"}, "deliveries": deliveries}


def room(_handler: str) -> int:
    return 16


@pytest.fixture
def schedule() -> Schedule:
    return Schedule(under_way=())


def test_a_pending_head_is_given_out_once(schedule: Schedule) -> None:
    """Whatever the feed repeats, a lane that is taken is not given out again."""
    schedule.update("event-1", record("event-1"))
    schedule.update("event-1", record("event-1"))
    assert schedule.take(room) == [BILLING]
    schedule.update("event-1", record("event-1"))
    schedule.update("event-2", record("event-2"))
    assert schedule.take(room) == []
    assert schedule.head(BILLING) == "event-1"


def test_a_lane_handed_back_goes_on_with_its_next_event(schedule: Schedule) -> None:
    """Without waiting for the feed to tell what is known already."""
    schedule.update("event-1", record("event-1"))
    schedule.update("event-2", record("event-2"))
    schedule.take(room)
    schedule.release(BILLING, "event-1", record("event-1", DONE))
    assert schedule.take(room) == [BILLING]
    assert schedule.head(BILLING) == "event-2"


def test_a_lane_handed_back_dead_is_given_out_no_more(schedule: Schedule) -> None:
    """Until somebody replays or discards its head."""
    schedule.update("event-1", record("event-1"))
    schedule.update("event-2", record("event-2"))
    schedule.take(room)
    schedule.release(BILLING, "event-1", record("event-1", DEAD))
    assert schedule.take(room) == []
    schedule.update("event-1", record("event-1"))
    assert schedule.take(room) == [BILLING]


def test_a_lane_under_way_from_an_earlier_round_is_given_out_after_that(
    schedule: Schedule,
) -> None:
    """Its delivery runs, or has run, outside; even if its event has left the outbox since."""
    schedule = Schedule(under_way={BILLING})
    schedule.update("event-2", record("event-2"))
    assert schedule.take(room) == []
    schedule.release(BILLING, "event-1", None)
    assert schedule.take(room) == [BILLING]


@pytest.mark.parametrize(("due_in_s", "given_out"), [(-1, [BILLING]), (30, [])])
def test_a_retry_is_due_when_its_record_says(
    schedule: Schedule, due_in_s: float, given_out: list[Partition]
) -> None:
    """Whoever made the last attempt: the time of the next one is in the outbox."""
    retry_at = clock.ago(-due_in_s)
    schedule.update("event-1", record("event-1", retry_at=retry_at))
    assert schedule.take(room) == given_out


def test_a_clock_that_was_set_back_delays_no_retry_for_long(schedule: Schedule) -> None:
    """A retry_at hours ahead is none of ours."""
    schedule.update("event-1", record("event-1", retry_at=clock.ago(-86400)))
    assert schedule.wait_s(room, longest_s=1e9) <= 120


def test_a_handler_without_room_is_passed_over(schedule: Schedule) -> None:
    """Its lanes wait, and nobody spins for them."""
    schedule.update("event-1", record("event-1"))
    assert schedule.take(lambda _handler: 0) == []
    assert schedule.wait_s(lambda _handler: 0, longest_s=0.25) == 0.25
    assert schedule.wait_s(room, longest_s=0.25) == 0


def test_nothing_to_do_waits_as_long_as_it_may(schedule: Schedule) -> None:
    assert schedule.wait_s(room, longest_s=0.25) == 0.25


def test_nothing_is_remembered_of_what_is_through(schedule: Schedule) -> None:
    """A dispatcher that runs for months does not grow: but for one desk for each handler."""
    schedule.update("event-1", record("event-1"))
    schedule.take(room)
    schedule.release(BILLING, "event-1", record("event-1", DONE))
    schedule.update("event-1", None)
    remembered = vars(schedule)
    assert not any(vars(remembered["_lanes"]).values())
    assert remembered["_busy"] == set()
    assert list(remembered["_desks"]) == ["billing"]
