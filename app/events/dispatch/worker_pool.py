"""The threads in which handlers with effects outside the store run, a few for each handler.

It outlives trouble with the store: what was begun goes on, and what came of it is kept until it
has been recorded. So a full disk does not send a mail twice.
"""

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, NamedTuple

from app.events.dispatch.outcome import Delivery, Result, result_of
from app.events.dispatch.partitions import Partition
from app.kernel import trace

THREADS = 2
"""For each handler, so that one whose peer hangs does not hold up the others."""

LOW_PRIORITY = 10
"""The nice value of these threads: 0 is what requests have, 19 is the lowest."""

MOST_UNRECORDED = 16 * THREADS
"""For each handler; many, because outcomes are recorded some milliseconds later, all together. A
crash repeats so many at most."""


def _yield_to_requests() -> None:
    """Give this thread a low priority: a clerk waits for an answer, nobody waits for a mail.

    On Linux the priority of a thread can be set by itself; elsewhere nothing happens.
    """
    if sys.platform == "linux":  # pragma: no branch  (the tests run on Linux)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)


class Completed(NamedTuple):
    """A delivery whose work outside ended, and how."""

    delivery: Delivery
    result: Result


class WorkerPool:
    """All but `_run` belongs to the dispatcher's thread."""

    def __init__(self) -> None:
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._begun: Counter[str] = Counter()
        self._lanes: set[Partition] = set()
        self._queue: SimpleQueue[Completed] = SimpleQueue()
        self._unrecorded: list[Completed] = []

    @property
    def partitions(self) -> frozenset[Partition]:
        """The lanes of deliveries that were begun here and are not recorded yet."""
        return frozenset(self._lanes)

    def room(self, handler: str) -> int:
        """How many more deliveries of the handler may be begun now."""
        return MOST_UNRECORDED - self._begun[handler]

    def begin(self, delivery: Delivery, work: Callable[[], Any]) -> None:
        """Run `work` for `delivery` in a thread, soon."""
        handler = delivery.partition.handler
        if handler not in self._pools:
            self._pools[handler] = ThreadPoolExecutor(
                THREADS, handler, initializer=_yield_to_requests
            )
        self._lanes.add(delivery.partition)
        self._begun[handler] += 1
        self._pools[handler].submit(self._run, delivery, work)

    def ended(self) -> list[Completed]:
        """All that ended and was not declared recorded yet."""
        while not self._queue.empty():
            self._unrecorded.append(self._queue.get())
        return list(self._unrecorded)

    def recorded(self) -> None:
        """What the last `ended` gave is on record now."""
        for delivery, _ in self._unrecorded:
            self._lanes.discard(delivery.partition)
            self._begun[delivery.partition.handler] -= 1
        self._unrecorded.clear()

    def close(self) -> None:
        """Wait for what is running; what was not begun yet stays in the outbox."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)

    def _run(self, delivery: Delivery, work: Callable[[], Any]) -> None:
        with trace.attached(delivery.span):
            self._queue.put(Completed(delivery, result_of(work)))
