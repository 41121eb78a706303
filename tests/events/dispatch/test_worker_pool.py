"""The threads for handlers with effects outside the store."""

import threading
from collections.abc import Iterator
from functools import partial
from time import monotonic

import pytest

from app.events.dispatch.outcome import Delivery, Result
from app.events.dispatch.partitions import Partition
from app.events.dispatch.worker_pool import MOST_UNRECORDED, THREADS, Completed, WorkerPool
from app.events.registry import SideEffectHandler
from app.events.types import Envelope

PATIENCE_S = 10.0


@pytest.fixture
def worker_pool() -> Iterator[WorkerPool]:
    worker_pool = WorkerPool()
    yield worker_pool
    worker_pool.close()


def delivery(order: str = "order-1", handler: str = "notification") -> Delivery:
    event = Envelope(f"event-of-{order}", "/orders", "order.placed", "", order, {})
    return Delivery(
        Partition(order, handler), event, SideEffectHandler(handler, lambda _event: None), 1
    )


def wait(release: threading.Event) -> None:
    release.wait(PATIENCE_S)


def all_ended(worker_pool: WorkerPool, count: int) -> list[Completed]:
    deadline = monotonic() + PATIENCE_S
    while len(ended := worker_pool.ended()) < count:
        assert monotonic() < deadline, "the deliveries did not end in time"
    return ended


def test_what_came_of_a_delivery_is_told(worker_pool: WorkerPool) -> None:
    """With its error, or with none."""
    broken, sound = delivery("order-1"), delivery("order-2")
    error = OSError("no connection")

    def fail() -> None:
        raise error

    worker_pool.begin(broken, fail)
    worker_pool.begin(sound, lambda: None)
    assert sorted(all_ended(worker_pool, 2)) == [
        Completed(broken, Result(error=error)),
        Completed(sound, Result()),
    ]


def test_an_outcome_is_told_until_it_is_recorded(worker_pool: WorkerPool) -> None:
    """When recording it failed, it is there for the next try: no mail is sent twice for that."""
    worker_pool.begin(delivery(), lambda: None)
    first = all_ended(worker_pool, 1)
    assert worker_pool.ended() == first
    assert worker_pool.partitions == {Partition("order-1", "notification")}
    worker_pool.recorded()
    assert worker_pool.ended() == []
    assert not worker_pool.partitions


def test_a_handler_that_hangs_leaves_the_others_their_threads(worker_pool: WorkerPool) -> None:
    """Each handler has threads of its own."""
    release = threading.Event()
    for n in range(THREADS):
        worker_pool.begin(delivery(f"order-{n}", "notification"), partial(wait, release))
    worker_pool.begin(delivery("order-1", "shipping"), lambda: None)
    [ended] = all_ended(worker_pool, 1)
    release.set()
    assert ended.delivery.partition.handler == "shipping"


def test_room_is_left_for_so_many_deliveries_of_a_handler(worker_pool: WorkerPool) -> None:
    """So that a stop need not wait for a long backlog."""
    release = threading.Event()
    for n in range(MOST_UNRECORDED):
        worker_pool.begin(delivery(f"order-{n}"), partial(wait, release))
    assert worker_pool.room("notification") == 0
    assert worker_pool.room("shipping") == MOST_UNRECORDED
    release.set()
    all_ended(worker_pool, MOST_UNRECORDED)
    worker_pool.recorded()
    assert worker_pool.room("notification") == MOST_UNRECORDED


def test_closing_waits_for_what_runs_and_begins_nothing_more(worker_pool: WorkerPool) -> None:
    """What had not begun is still in the outbox."""
    release = threading.Event()
    started: list[int] = []

    def work() -> None:
        started.append(1)
        release.wait(PATIENCE_S)

    for n in range(MOST_UNRECORDED):
        worker_pool.begin(delivery(f"order-{n}"), work)
    deadline = monotonic() + PATIENCE_S
    while len(started) < THREADS:
        assert monotonic() < deadline
    threading.Timer(0.05, release.set).start()
    worker_pool.close()
    assert len(worker_pool.ended()) == len(started) == THREADS
