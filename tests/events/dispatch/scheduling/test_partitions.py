"""Partitions: one queue for each (order, handler), first in, first out."""

import pytest

from app.events.dispatch.delivery import Partition
from app.events.dispatch.scheduling.partitions import Partitions
from app.events.outbox import DEAD, DISCARDED, DONE, PENDING
from app.store import Document

BILLING = Partition("order-1", "billing")


@pytest.fixture
def partitions() -> Partitions:
    return Partitions()


def record(event_id: str, subject: str = "order-1", **states: str) -> Document:
    """The part of an outbox record that matters to partitions."""
    deliveries = {handler: {"state": state} for handler, state in states.items()}
    return {"id": event_id, "event": {"subject": subject}, "deliveries": deliveries}


def update(partitions: Partitions, event_id: str, **states: str) -> None:
    partitions.update(event_id, record(event_id, **states))


def test_the_oldest_event_of_a_partition_is_its_head(partitions: Partitions) -> None:
    """Of two pending events of an order the earlier one may run."""
    update(partitions, "event-1", billing=PENDING)
    update(partitions, "event-2", billing=PENDING)
    assert partitions.head(BILLING) == "event-1"


def test_an_event_that_is_reported_late_is_queued_by_age(partitions: Partitions) -> None:
    """The order is that of the ids, not that of the change feed."""
    update(partitions, "event-2", billing=PENDING)
    update(partitions, "event-1", billing=PENDING)
    assert partitions.head(BILLING) == "event-1"


def test_the_next_event_is_the_head_once_the_first_is_done(partitions: Partitions) -> None:
    """A done delivery leaves its partition."""
    update(partitions, "event-1", billing=PENDING)
    update(partitions, "event-2", billing=PENDING)
    update(partitions, "event-1", billing=DONE)
    assert partitions.head(BILLING) == "event-2"


def test_a_dead_head_blocks_its_partition(partitions: Partitions) -> None:
    """Later events of the order wait behind a dead delivery."""
    update(partitions, "event-1", billing=DEAD)
    update(partitions, "event-2", billing=PENDING)
    assert partitions.head(BILLING) is None


def test_a_dead_head_blocks_no_other_partition(partitions: Partitions) -> None:
    """Other handlers of the order, and other orders of the handler, go on."""
    update(partitions, "event-1", billing=DEAD, inventory=PENDING)
    partitions.update("event-2", record("event-2", "order-2", billing=PENDING))
    assert partitions.head(Partition("order-1", "inventory")) == "event-1"
    assert partitions.head(Partition("order-2", "billing")) == "event-2"


def test_a_replayed_head_may_run_again(partitions: Partitions) -> None:
    """Dead, then pending again: it is the head, before what came later."""
    update(partitions, "event-1", billing=DEAD)
    update(partitions, "event-2", billing=PENDING)
    update(partitions, "event-1", billing=PENDING)
    assert partitions.head(BILLING) == "event-1"


def test_a_discarded_head_unblocks_the_next_event(partitions: Partitions) -> None:
    """A delivery that a person has discarded no longer blocks its partition."""
    update(partitions, "event-1", billing=DEAD)
    update(partitions, "event-2", billing=PENDING)
    update(partitions, "event-1", billing=DISCARDED)
    assert partitions.head(BILLING) == "event-2"


def test_an_event_that_left_the_outbox_leaves_all_its_partitions(partitions: Partitions) -> None:
    """The update names every partition that it was in."""
    update(partitions, "event-1", billing=PENDING, inventory=PENDING)
    assert set(partitions.update("event-1", None)) == {BILLING, Partition("order-1", "inventory")}
    assert partitions.head(BILLING) is None


def test_finished_events_use_no_memory(partitions: Partitions) -> None:
    """A dispatcher that runs for months does not grow."""
    for n in range(100):
        event_id = f"event-{n}"
        partitions.update(event_id, record(event_id, f"order-{n}", billing=PENDING, inventory=DEAD))
        partitions.update(event_id, record(event_id, f"order-{n}", billing=DONE, inventory=PENDING))
        partitions.update(event_id, None)
    assert not any(vars(partitions).values())
