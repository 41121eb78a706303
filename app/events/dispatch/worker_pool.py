"""The worker pool: threads for handlers with effects outside the store, a few for each handler.

It survives errors of the store: deliveries that were started go on, and a result is kept until the
dispatcher has recorded it. So a full disk does not send a mail twice.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, NamedTuple

from app.events.dispatch.delivery import Delivery, Partition, Result, call
from app.kernel import trace
from app.kernel.thread_priority import lower_priority

THREADS_PER_HANDLER = 2
"""Each handler has its own threads, so that one with a hanging peer does not block the others.

Their priority is low: a person waits for a response, but not for a mail.
"""

MAX_UNACKNOWLEDGED = 16 * THREADS_PER_HANDLER
"""Deliveries of a handler that were started and are not recorded: a crash repeats so many at most.

There are more than threads because results are recorded together, some milliseconds later.
"""


class Completed(NamedTuple):
    """A delivery whose work in the pool has ended, and its result."""

    delivery: Delivery
    result: Result


class WorkerPool:
    """Every method but `_run` is for the dispatcher's thread only."""

    def __init__(self) -> None:
        self._executors: dict[str, ThreadPoolExecutor] = {}
        self._started: Counter[str] = Counter()
        self._partitions: set[Partition] = set()
        self._queue: SimpleQueue[Completed] = SimpleQueue()
        self._unacknowledged: list[Completed] = []

    @property
    def partitions(self) -> frozenset[Partition]:
        """The partitions of deliveries that were submitted and are not acknowledged yet."""
        return frozenset(self._partitions)

    def capacity(self, handler: str) -> int:
        """The number of further deliveries of the handler that can be submitted now."""
        return MAX_UNACKNOWLEDGED - self._started[handler]

    def submit(self, delivery: Delivery, work: Callable[[], Any]) -> None:
        """Run `work` for `delivery` in one of the handler's threads."""
        handler = delivery.partition.handler
        if handler not in self._executors:
            self._executors[handler] = ThreadPoolExecutor(
                THREADS_PER_HANDLER, handler, initializer=lower_priority
            )
        self._partitions.add(delivery.partition)
        self._started[handler] += 1
        self._executors[handler].submit(self._run, delivery, work)

    def completed(self) -> list[Completed]:
        """Everything that has completed and is not acknowledged."""
        while not self._queue.empty():
            self._unacknowledged.append(self._queue.get())
        return list(self._unacknowledged)

    def acknowledge(self) -> None:
        """Drop what the last `completed` returned: its outcomes are in the store."""
        for delivery, _ in self._unacknowledged:
            self._partitions.discard(delivery.partition)
            self._started[delivery.partition.handler] -= 1
        self._unacknowledged.clear()

    def close(self) -> None:
        """Wait for what is running; what has not started stays in the outbox."""
        for executor in self._executors.values():
            executor.shutdown(cancel_futures=True)

    def _run(self, delivery: Delivery, work: Callable[[], Any]) -> None:
        with trace.attached(delivery.span):
            self._queue.put(Completed(delivery, call(work)))
