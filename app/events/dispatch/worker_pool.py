"""The worker pool: threads for handlers with effects outside the store, a few for each handler.

It survives errors of the store: deliveries that were started go on, and a result is kept until the
dispatcher has recorded it. So a full disk does not send a mail twice.

Nothing waits for a subscriber, which is another system and may hang: an attempt has a thread of its
own from the moment it is submitted, and neither a stop nor the end of the process waits for it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from app.events.dispatch.delivery import Delivery, Partition, Result, call
from app.events.registry import Finish
from app.events.subscriptions import is_subscriber
from app.kernel import trace
from app.kernel.errors import Unavailable
from app.system.thread_priority import lower_priority

THREADS_PER_HANDLER = 2
"""Each handler has its own threads, so that one with a hanging peer does not block the others.

Their priority is low: a person waits for a response, but not for a mail.
"""

MAX_UNACKNOWLEDGED = 16 * THREADS_PER_HANDLER
"""Deliveries of a handler that were started and are not recorded: a crash repeats so many at most.

There are more than threads because results are recorded together, some milliseconds later. A
subscriber has no more than threads: a delivery that waits for one would be sent to the URL, and
signed with the secrets, of the moment at which it was submitted.
"""


class DeferredTask(NamedTuple):
    """Work of a delivery that must run outside the store, after the transaction is durable."""

    delivery: Delivery
    work: Callable[[], Any]


class Completed(NamedTuple):
    """A delivery whose work in the pool has ended, and its result."""

    delivery: Delivery
    result: Result


class WorkerPool:
    """Every public method is for the dispatcher's thread only."""

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
        limit = THREADS_PER_HANDLER if is_subscriber(handler) else MAX_UNACKNOWLEDGED
        return limit - self._started[handler]

    def submit(self, delivery: Delivery, work: Callable[[], Any]) -> None:
        """Run `work` for `delivery` in one of the handler's threads."""
        self._start([delivery], partial(self._run, delivery, work))

    def submit_together(self, tasks: Sequence[DeferredTask], finish: Finish) -> None:
        """Run these tasks of one handler in one thread, then `finish` with what they returned.

        A task that fails is left out. If `finish` fails, it is called for each by itself.
        """
        self._start([each.delivery for each in tasks], partial(self._run_together, tasks, finish))

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
        """Wait for what is running, but for subscribers; all else stays in the outbox."""
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)  # before any of them is waited for
        for executor in self._executors.values():
            executor.shutdown()

    def _start(self, deliveries: Sequence[Delivery], run: Callable[[], None]) -> None:
        handler = deliveries[0].partition.handler
        self._partitions.update(each.partition for each in deliveries)
        self._started[handler] += len(deliveries)
        if is_subscriber(handler):
            self._start_thread(deliveries, run)
            return
        if handler not in self._executors:
            self._executors[handler] = ThreadPoolExecutor(
                THREADS_PER_HANDLER, handler, initializer=lower_priority
            )
        self._executors[handler].submit(run)

    def _start_thread(self, deliveries: Sequence[Delivery], run: Callable[[], None]) -> None:
        """Run in a daemon thread: those of an executor are joined when the interpreter exits."""
        handler = deliveries[0].partition.handler
        try:
            Thread(target=_run_at_low_priority, args=[run], name=handler, daemon=True).start()
        except RuntimeError:
            error = Unavailable("no further thread can be started")
            for delivery in deliveries:
                self._queue.put(Completed(delivery, Result(error=error)))

    def _run(self, delivery: Delivery, work: Callable[[], Any]) -> None:
        self._queue.put(_completed(delivery, work))

    def _run_together(self, tasks: Sequence[DeferredTask], finish: Finish) -> None:
        completed = [_completed(*task) for task in tasks]
        returned = [each.result.value for each in completed if each.result.error is None]
        has_finished = call(partial(finish, returned)).error is None
        for delivery, (value, error) in completed:
            if error is None and not has_finished:
                error = _completed(delivery, partial(finish, [value])).result.error
            self._queue.put(Completed(delivery, Result(error=error)))


def _run_at_low_priority(run: Callable[[], None]) -> None:
    lower_priority()
    run()


def _completed(delivery: Delivery, work: Callable[[], Any]) -> Completed:
    with trace.attached(delivery.span):
        return Completed(delivery, call(work))
