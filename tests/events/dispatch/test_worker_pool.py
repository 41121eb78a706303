"""The worker pool: threads for handlers with effects outside the store."""

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from time import monotonic

import pytest

from app.events.dispatch.delivery import Delivery, Partition, Result
from app.events.dispatch.worker_pool import (
    MAX_UNACKNOWLEDGED,
    THREADS_PER_HANDLER,
    Completed,
    DeferredTask,
    WorkerPool,
)
from app.events.registry import SideEffectHandler
from app.events.types import Envelope
from app.kernel.errors import Unavailable
from tests.conftest import PATIENCE_S

LOWEST_PRIORITY = 19
"""The nice value of Linux beyond which none goes."""


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


def wait_for_completed(worker_pool: WorkerPool, count: int) -> list[Completed]:
    deadline = monotonic() + PATIENCE_S
    while len(completed := worker_pool.completed()) < count:
        assert monotonic() < deadline, "the deliveries did not complete in time"
    return completed


def test_each_result_is_returned(worker_pool: WorkerPool) -> None:
    """A completed delivery has its error, or none."""
    broken, sound = delivery("order-1"), delivery("order-2")
    error = OSError("no connection")

    def fail() -> None:
        raise error

    worker_pool.submit(broken, fail)
    worker_pool.submit(sound, lambda: None)
    assert sorted(wait_for_completed(worker_pool, 2)) == [
        Completed(broken, Result(error=error)),
        Completed(sound, Result()),
    ]


def test_a_result_is_returned_until_it_is_acknowledged(worker_pool: WorkerPool) -> None:
    """If recording it fails, the next try gets it again, so no mail is sent twice."""
    worker_pool.submit(delivery(), lambda: None)
    first = wait_for_completed(worker_pool, 1)
    assert worker_pool.completed() == first
    assert worker_pool.partitions == {Partition("order-1", "notification")}
    worker_pool.acknowledge()
    assert worker_pool.completed() == []
    assert not worker_pool.partitions


def test_tasks_that_are_submitted_together_are_finished_together(worker_pool: WorkerPool) -> None:
    """The mails of a folder share a sync; one that could not be composed is left out."""
    first, broken, last = (delivery(f"order-{n}") for n in range(3))
    error = ValueError("no such template")
    finished: list[list[str]] = []

    def fail() -> str:
        raise error

    tasks = [DeferredTask(first, lambda: "first"), DeferredTask(broken, fail)]
    worker_pool.submit_together(
        [*tasks, DeferredTask(last, lambda: "last")], lambda mails: finished.append([*mails])
    )
    assert wait_for_completed(worker_pool, 3) == [
        Completed(first, Result()),
        Completed(broken, Result(error=error)),
        Completed(last, Result()),
    ]
    assert finished == [["first", "last"]]


def test_one_that_cannot_be_finished_does_not_fail_the_others(worker_pool: WorkerPool) -> None:
    """When they cannot be finished together, each is finished by itself and has its own error."""
    sound, too_large = delivery("order-1"), delivery("order-2")
    error = OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    def finish(mails: Sequence[str]) -> None:
        if "too large" in mails:
            raise error

    tasks = [DeferredTask(sound, lambda: "sound"), DeferredTask(too_large, lambda: "too large")]
    worker_pool.submit_together(tasks, finish)
    assert wait_for_completed(worker_pool, 2) == [
        Completed(sound, Result()),
        Completed(too_large, Result(error=error)),
    ]


def test_the_capacity_counts_each_of_those_submitted_together(worker_pool: WorkerPool) -> None:
    """A crash repeats as many deliveries as were started, however they were submitted."""
    tasks = [DeferredTask(delivery(f"order-{n}"), lambda: None) for n in range(3)]
    worker_pool.submit_together(tasks, lambda _mails: None)
    assert worker_pool.capacity("notification") == MAX_UNACKNOWLEDGED - 3
    wait_for_completed(worker_pool, 3)
    worker_pool.acknowledge()
    assert worker_pool.capacity("notification") == MAX_UNACKNOWLEDGED


def test_a_handler_that_hangs_does_not_block_the_others(worker_pool: WorkerPool) -> None:
    """Each handler has threads of its own."""
    release = threading.Event()
    for n in range(THREADS_PER_HANDLER):
        worker_pool.submit(delivery(f"order-{n}", "notification"), partial(wait, release))
    worker_pool.submit(delivery("order-1", "shipping"), lambda: None)
    [completed] = wait_for_completed(worker_pool, 1)
    release.set()
    assert completed.delivery.partition.handler == "shipping"


def test_the_capacity_of_a_handler_is_limited(worker_pool: WorkerPool) -> None:
    """A crash repeats a bounded number of deliveries, and a stop waits for few."""
    release = threading.Event()
    for n in range(MAX_UNACKNOWLEDGED):
        worker_pool.submit(delivery(f"order-{n}"), partial(wait, release))
    assert worker_pool.capacity("notification") == 0
    assert worker_pool.capacity("shipping") == MAX_UNACKNOWLEDGED
    release.set()
    wait_for_completed(worker_pool, MAX_UNACKNOWLEDGED)
    worker_pool.acknowledge()
    assert worker_pool.capacity("notification") == MAX_UNACKNOWLEDGED


def test_close_waits_for_what_runs_and_starts_nothing_more(worker_pool: WorkerPool) -> None:
    """A delivery that had not started is still in the outbox."""
    release = threading.Event()
    started: list[int] = []

    def work() -> None:
        started.append(1)
        release.wait(PATIENCE_S)

    for n in range(MAX_UNACKNOWLEDGED):
        worker_pool.submit(delivery(f"order-{n}"), work)
    deadline = monotonic() + PATIENCE_S
    while len(started) < THREADS_PER_HANDLER:
        assert monotonic() < deadline
    closing = threading.Thread(target=worker_pool.close)
    closing.start()
    with pytest.raises(RuntimeError):  # once the pool is closed
        while True:
            worker_pool.submit(delivery("late"), work)
    release.set()
    closing.join()
    assert len(worker_pool.completed()) == len(started) == THREADS_PER_HANDLER


def test_close_does_not_wait_for_subscribers(worker_pool: WorkerPool) -> None:
    """Another system may hang; what it was sent comes again after the restart."""
    release, has_started = threading.Event(), threading.Event()

    def work() -> None:
        has_started.set()
        release.wait(PATIENCE_S)

    worker_pool.submit(delivery(handler="webhook:1"), work)
    assert has_started.wait(PATIENCE_S)
    worker_pool.close()
    assert worker_pool.completed() == []
    release.set()
    wait_for_completed(worker_pool, 1)


def test_no_delivery_to_a_subscriber_waits_for_a_thread(worker_pool: WorkerPool) -> None:
    """It is sent as its endpoint is at the moment of `submit`, so it begins then."""
    release, started = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        started.release()
        release.wait(PATIENCE_S)

    for n in range(worker_pool.capacity("webhook:1")):
        worker_pool.submit(delivery(f"order-{n}", "webhook:1"), work)
        assert started.acquire(timeout=PATIENCE_S)
    assert worker_pool.capacity("webhook:1") == 0
    release.set()


def test_a_thread_that_cannot_be_started_is_an_outage_of_its_subscriber(
    worker_pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many receivers hang, and the system allows no more threads: the delivery is retried."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    worker_pool.submit(delivery(handler="webhook:1"), lambda: None)
    [completed] = worker_pool.completed()
    assert isinstance(completed.result.error, Unavailable)


def test_its_threads_have_a_lower_priority_than_their_server(worker_pool: WorkerPool) -> None:
    """Also where the server itself was started with a low priority (`nice -n 15`)."""
    priorities: list[int] = []

    def work() -> None:
        priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def dispatch() -> None:
        os.nice(15)  # on Linux, of this thread; threads that it starts inherit it
        worker_pool.submit(delivery(), work)

    dispatcher = threading.Thread(target=dispatch)
    dispatcher.start()
    dispatcher.join(PATIENCE_S)
    wait_for_completed(worker_pool, 1)
    assert priorities == [LOWEST_PRIORITY]


def test_a_refused_priority_delays_no_delivery(
    worker_pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system-call filter may refuse it, as systemd's `@resources` does."""

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    for name in ("nice", "setpriority"):
        monkeypatch.setattr(os, name, refuse)
    sound = delivery()
    worker_pool.submit(sound, lambda: None)
    assert wait_for_completed(worker_pool, 1) == [Completed(sound, Result())]
