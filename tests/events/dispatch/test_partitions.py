"""Order within a lane: one lane for each (order, handler), first in, first out."""

import pytest

from app.events.dispatch.partitions import Lane, Lanes
from app.events.outbox import DEAD, DISCARDED, DONE, PENDING
from app.store import Document

BILLING = Lane("order-1", "billing")


@pytest.fixture
def lanes() -> Lanes:
    return Lanes()


def record(event_id: str, subject: str = "order-1", **states: str) -> Document:
    """An outbox record as far as lanes look at it."""
    deliveries = {handler: {"state": state} for handler, state in states.items()}
    return {"id": event_id, "event": {"subject": subject}, "deliveries": deliveries}


def update(lanes: Lanes, event_id: str, **states: str) -> None:
    lanes.update(event_id, record(event_id, **states))


def test_the_oldest_event_of_a_lane_is_its_head(lanes: Lanes) -> None:
    """Of two pending events of an order the earlier one may run."""
    update(lanes, "event-1", billing=PENDING)
    update(lanes, "event-2", billing=PENDING)
    assert lanes.head(BILLING) == "event-1"


def test_an_event_learnt_of_late_takes_its_place_by_age(lanes: Lanes) -> None:
    """The order is that of the ids, not that in which the dispatcher hears of them."""
    update(lanes, "event-2", billing=PENDING)
    update(lanes, "event-1", billing=PENDING)
    assert lanes.head(BILLING) == "event-1"


def test_the_next_event_is_the_head_once_the_first_is_done(lanes: Lanes) -> None:
    """A done delivery leaves its lane."""
    update(lanes, "event-1", billing=PENDING)
    update(lanes, "event-2", billing=PENDING)
    update(lanes, "event-1", billing=DONE)
    assert lanes.head(BILLING) == "event-2"


def test_a_dead_head_blocks_its_lane(lanes: Lanes) -> None:
    """Later events of the order wait behind a dead delivery."""
    update(lanes, "event-1", billing=DEAD)
    update(lanes, "event-2", billing=PENDING)
    assert lanes.head(BILLING) is None


def test_a_dead_head_blocks_no_other_lane(lanes: Lanes) -> None:
    """Other handlers of the order, and other orders of the handler, go on."""
    update(lanes, "event-1", billing=DEAD, inventory=PENDING)
    lanes.update("event-2", record("event-2", "order-2", billing=PENDING))
    assert lanes.head(Lane("order-1", "inventory")) == "event-1"
    assert lanes.head(Lane("order-2", "billing")) == "event-2"


def test_a_replayed_head_may_run_again(lanes: Lanes) -> None:
    """Dead, then pending again: it is the head, before what came later."""
    update(lanes, "event-1", billing=DEAD)
    update(lanes, "event-2", billing=PENDING)
    update(lanes, "event-1", billing=PENDING)
    assert lanes.head(BILLING) == "event-1"


def test_a_discarded_head_lets_the_next_one_go(lanes: Lanes) -> None:
    """A delivery that a person gave up no longer blocks its lane."""
    update(lanes, "event-1", billing=DEAD)
    update(lanes, "event-2", billing=PENDING)
    update(lanes, "event-1", billing=DISCARDED)
    assert lanes.head(BILLING) == "event-2"


def test_an_event_that_left_the_outbox_leaves_all_its_lanes(lanes: Lanes) -> None:
    """Through with every handler: its record is gone, and its lanes are told of."""
    update(lanes, "event-1", billing=PENDING, inventory=PENDING)
    assert set(lanes.update("event-1", None)) == {BILLING, Lane("order-1", "inventory")}
    assert lanes.head(BILLING) is None


def test_nothing_is_remembered_of_what_is_through(lanes: Lanes) -> None:
    """A dispatcher that runs for months does not grow."""
    for n in range(100):
        event_id = f"event-{n}"
        lanes.update(event_id, record(event_id, f"order-{n}", billing=PENDING, inventory=DEAD))
        lanes.update(event_id, record(event_id, f"order-{n}", billing=DONE, inventory=PENDING))
        lanes.update(event_id, None)
    assert not any(vars(lanes).values())
