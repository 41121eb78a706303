"""Decides which deliveries may run now, by order, retry time, circuit breaker and capacity."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from app.events.dispatch.breaker import Breaker
from app.events.dispatch.delivery import Partition
from app.events.dispatch.partitions import Partitions
from app.events.dispatch.ready_queue import MAX_DELIVERIES_PER_TAKE, ReadyQueue
from app.events.dispatch.retry import MAX_RETRY_WAIT_S
from app.kernel import clock
from app.store import Document

Capacity = Callable[[str], int]
"""The number of further deliveries that a handler, given by name, can start now."""


class Scheduler:
    """Built from the outbox's records alone, and kept up to date by `update`.

    A partition is in one of three states: idle (it is empty or blocked), in its handler's ready
    queue, or in flight, from `take` until the caller calls `release` or `postpone`.
    """

    def __init__(self, in_flight: Iterable[Partition]) -> None:
        """`in_flight` are the partitions whose deliveries an earlier loop started."""
        self._partitions = Partitions()
        self._ready: defaultdict[str, ReadyQueue] = defaultdict(ReadyQueue)
        self._busy = set(in_flight)

    def update(self, event_id: str, record: Document | None) -> None:
        """Apply the present state of an outbox record; None when it has left the outbox."""
        for partition in self._partitions.update(event_id, record):
            self._enqueue(partition, event_id, record)

    def head(self, partition: Partition) -> str:
        """The event to deliver next in a partition that was taken."""
        return self._partitions.head(partition) or ""

    def take(self, capacity: Capacity) -> list[Partition]:
        """The partitions that may run now: a few of each handler, so that none starves another."""
        return [
            partition
            for handler, queue in self._ready.items()
            for partition in queue.take(min(MAX_DELIVERIES_PER_TAKE, capacity(handler)))
        ]

    def postpone(self, partition: Partition, delay_s: float) -> None:
        """Put a taken partition back, to run in `delay_s` seconds."""
        self._ready[partition.handler].add(partition, delay_s)

    def release(self, partition: Partition, event_id: str, record: Document | None) -> None:
        """End a taken partition's delivery; `record` is the present state of its event's record."""
        self._busy.discard(partition)
        self.update(event_id, record)
        self._enqueue(partition, event_id, record)

    def wait_s(self, capacity: Capacity, max_wait_s: float) -> float:
        """Seconds until `take` may return a partition, at most `max_wait_s`."""
        waits = [queue.wait_s() for handler, queue in self._ready.items() if capacity(handler) > 0]
        return max(0.0, min([max_wait_s, *(wait_s for wait_s in waits if wait_s is not None)]))

    def overdue_s(self) -> float:
        """Seconds that the longest-waiting partition has been ready; 0 when none is."""
        return max((queue.overdue_s() for queue in self._ready.values()), default=0.0)

    def breaker(self, handler: str) -> Breaker:
        """The circuit breaker of a handler."""
        return self._ready[handler].breaker

    def _enqueue(self, partition: Partition, event_id: str, record: Document | None) -> None:
        """Put an idle partition that has a head into its ready queue, or delay its retry there."""
        head = self._partitions.head(partition)
        if head is None or partition in self._busy:
            return
        self._busy.add(partition)
        delivery = record["deliveries"][partition.handler] if record and head == event_id else {}
        queue = self._ready[partition.handler]
        queue.add(partition, _until_retry_s(delivery), has_failed="error" in delivery)


def _until_retry_s(delivery: Document) -> float:
    """Seconds until the recorded time of the next attempt; bounded, as a clock may be set back."""
    retry_at = delivery.get("retry_at")
    if retry_at is None:
        return 0.0
    left = clock.parse_time(retry_at) - datetime.now(clock.UTC)
    return min(left.total_seconds(), 2 * MAX_RETRY_WAIT_S)
