"""Bulkhead: slow work of requests is bounded, and takes no slot of running requests."""

import threading
from collections.abc import Callable

import pytest

from app.kernel.errors import Unavailable
from app.system.bulkhead import Bulkhead, FifoSemaphore, request_slot
from tests.processes.servers import wait_for

PATIENCE_S = 60.0


def start(*works: Callable[[], object]) -> list[threading.Thread]:
    """A running thread for each work."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    return threads


def join(*threads: threading.Thread) -> None:
    """Wait for the threads."""
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_a_semaphore_serves_its_waiters_first_in_first_out() -> None:
    """The threads enter in the order in which they began to wait."""
    semaphore, entered = FifoSemaphore(1), []

    def enter(number: int) -> None:
        assert semaphore.acquire()
        entered.append(number)
        semaphore.release()

    semaphore.acquire()
    threads = []
    for number in range(20):
        threads += start(lambda number=number: enter(number))  # type: ignore[misc]
        wait_for("a waiter", lambda number=number: semaphore.waiting > number)  # type: ignore[misc]
    semaphore.release()
    join(*threads)
    assert entered == list(range(20))


def test_who_waits_too_long_for_a_semaphore_leaves_the_queue() -> None:
    """The next slot is for a thread that still waits."""
    semaphore = FifoSemaphore(1)
    semaphore.acquire()
    assert not semaphore.acquire(0.001)
    semaphore.release()
    assert semaphore.acquire(0)
    assert not semaphore.acquire(0)


def test_slow_work_leaves_the_slot_of_its_request() -> None:
    """Another request has it meanwhile; afterwards the first waits for a slot again."""
    requests, bulkhead, steps = FifoSemaphore(1), Bulkhead(1, "too many"), []
    working, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with request_slot(requests):
            with bulkhead.slot():
                working.set()
                assert go_on.wait(PATIENCE_S)
            steps.append("slow")

    threads = start(slow)
    assert working.wait(PATIENCE_S)
    with request_slot(requests):
        go_on.set()
        wait_for("a waiter", lambda: requests.waiting)
        steps.append("quick")
    join(*threads)
    assert steps == ["quick", "slow"]
    assert requests.acquire(0) and not requests.acquire(0)


def test_slow_work_over_the_bound_is_refused() -> None:
    """Its request has its slot again then, and can be answered; work that raises frees its slot."""
    requests, bulkhead = FifoSemaphore(1), Bulkhead(2, "too many")
    for _ in range(3):
        with pytest.raises(ValueError), request_slot(requests), bulkhead.slot():
            raise ValueError
    with bulkhead.slot(), bulkhead.slot(), request_slot(requests):
        with pytest.raises(Unavailable, match="too many"), bulkhead.slot():
            pass
        assert not requests.acquire(0)
    assert requests.acquire(0)
