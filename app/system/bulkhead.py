"""Bulkheads: a bound on the requests of a process that do one kind of slow work at once.

A process runs a bounded number of requests (app/http/requests/limiter.py). A request that hashes a
password, asks an identity provider or draws a receipt does so outside of the slot in which it runs,
so that orders do not wait for it. Such a block must not be inside a transaction: to go on, the
request waits for a slot again, and requests that have one may wait for the transaction.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.kernel.errors import Unavailable

BULKHEAD_TIMEOUT_S = 1.0
"""The longest wait for a slot of a bulkhead; then the response is 503."""


class FifoSemaphore:
    """A semaphore that serves its waiters first in, first out.

    threading.Semaphore gives no such promise: a newcomer may overtake the threads that wait.
    """

    def __init__(self, value: int) -> None:
        self._value = value
        self._waiters: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of threads that wait."""
        return len(self._waiters)

    def acquire(self, timeout_s: float = -1) -> bool:
        """Wait for a slot, without a limit if `timeout_s` is -1; returns whether there was one."""
        with self._lock:
            if self._value:
                self._value -= 1
                return True
            waiter = threading.Lock()
            waiter.acquire()
            self._waiters.append(waiter)
        if waiter.acquire(timeout=timeout_s):  # `release` of another thread releases it
            return True
        with self._lock:
            if waiter not in self._waiters:  # released at the last moment
                return True
            self._waiters.remove(waiter)
            return False

    def release(self) -> None:
        """Give the slot to the thread that has waited longest, if any."""
        with self._lock:
            if self._waiters:
                self._waiters.popleft().release()
            else:
                self._value += 1


_REQUEST_SLOTS: ContextVar[FifoSemaphore | None] = ContextVar("request_slots", default=None)
"""The slots of which the running request occupies one."""


@contextmanager
def request_slot(slots: FifoSemaphore) -> Iterator[None]:
    """Occupy one of `slots` while a request runs, except within a bulkhead."""
    slots.acquire()
    token = _REQUEST_SLOTS.set(slots)
    try:
        yield
    finally:
        _REQUEST_SLOTS.reset(token)
        slots.release()


class Bulkhead:
    """At most `size` requests of this process do this work at once."""

    def __init__(self, size: int, refusal: str) -> None:
        self._slots = FifoSemaphore(size)
        self._refusal = refusal

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a slot."""
        return self._slots.waiting

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Do the work of the block in one of the slots, instead of in that of the request.

        Raises Unavailable with the refusal after BULKHEAD_TIMEOUT_S without a free slot.
        """
        with _outside_of_request_slot():
            if not self._slots.acquire(BULKHEAD_TIMEOUT_S):
                raise Unavailable(self._refusal)
            try:
                yield
            finally:
                self._slots.release()


@contextmanager
def _outside_of_request_slot() -> Iterator[None]:
    slots = _REQUEST_SLOTS.get()
    if slots is None:  # a command, a probe, or within another bulkhead
        yield
        return
    token = _REQUEST_SLOTS.set(None)
    slots.release()
    try:
        yield
    finally:
        slots.acquire()
        _REQUEST_SLOTS.reset(token)
