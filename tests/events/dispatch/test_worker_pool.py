"""The threads for handlers with effects outside the store."""

import threading
from collections.abc import Iterator
from functools import partial
from time import monotonic

import pytest

from app.events.dispatch.outcome import Delivery, Result
from app.events.dispatch.partitions import Lane
from app.events.dispatch.worker_pool import MOST_UNRECORDED, THREADS, Ended, Workshop
from app.events.registry import Outside
from app.events.types import Envelope

PATIENCE_S = 10.0


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    workshop = Workshop()
    yield workshop
    workshop.close()


def delivery(order: str = "order-1", handler: str = "notification") -> Delivery:
    event = Envelope(f"event-of-{order}", "/orders", "order.placed", "", order, {})
    return Delivery(Lane(order, handler), event, Outside(handler, lambda _event: None), 1)


def wait(release: threading.Event) -> None:
    release.wait(PATIENCE_S)


def all_ended(workshop: Workshop, count: int) -> list[Ended]:
    deadline = monotonic() + PATIENCE_S
    while len(ended := workshop.ended()) < count:
        assert monotonic() < deadline, "the deliveries did not end in time"
    return ended


def test_what_came_of_a_delivery_is_told(workshop: Workshop) -> None:
    """With its error, or with none."""
    broken, sound = delivery("order-1"), delivery("order-2")
    error = OSError("no connection")

    def fail() -> None:
        raise error

    workshop.begin(broken, fail)
    workshop.begin(sound, lambda: None)
    assert sorted(all_ended(workshop, 2)) == [
        Ended(broken, Result(error=error)),
        Ended(sound, Result()),
    ]


def test_an_outcome_is_told_until_it_is_recorded(workshop: Workshop) -> None:
    """When recording it failed, it is there for the next try: no mail is sent twice for that."""
    workshop.begin(delivery(), lambda: None)
    first = all_ended(workshop, 1)
    assert workshop.ended() == first
    assert workshop.lanes == {Lane("order-1", "notification")}
    workshop.recorded()
    assert workshop.ended() == []
    assert not workshop.lanes


def test_a_handler_that_hangs_leaves_the_others_their_threads(workshop: Workshop) -> None:
    """Each handler has threads of its own."""
    release = threading.Event()
    for n in range(THREADS):
        workshop.begin(delivery(f"order-{n}", "notification"), partial(wait, release))
    workshop.begin(delivery("order-1", "shipping"), lambda: None)
    [ended] = all_ended(workshop, 1)
    release.set()
    assert ended.delivery.lane.handler == "shipping"


def test_room_is_left_for_so_many_deliveries_of_a_handler(workshop: Workshop) -> None:
    """So that a stop need not wait for a long backlog."""
    release = threading.Event()
    for n in range(MOST_UNRECORDED):
        workshop.begin(delivery(f"order-{n}"), partial(wait, release))
    assert workshop.room("notification") == 0
    assert workshop.room("shipping") == MOST_UNRECORDED
    release.set()
    all_ended(workshop, MOST_UNRECORDED)
    workshop.recorded()
    assert workshop.room("notification") == MOST_UNRECORDED


def test_closing_waits_for_what_runs_and_begins_nothing_more(workshop: Workshop) -> None:
    """What had not begun is still in the outbox."""
    release = threading.Event()
    started: list[int] = []

    def work() -> None:
        started.append(1)
        release.wait(PATIENCE_S)

    for n in range(MOST_UNRECORDED):
        workshop.begin(delivery(f"order-{n}"), work)
    deadline = monotonic() + PATIENCE_S
    while len(started) < THREADS:
        assert monotonic() < deadline
    threading.Timer(0.05, release.set).start()
    workshop.close()
    assert len(workshop.ended()) == len(started) == THREADS
