"""The ready queue of one handler: the partitions whose next delivery is ready, or delayed."""

from collections import OrderedDict
from heapq import heappop, heappush
from time import monotonic

from app.events.dispatch.delivery import Partition
from app.events.dispatch.scheduling.breaker import Breaker

MAX_DELIVERIES_PER_TAKE = 16
"""Of one handler, in one transaction: few enough that a POST hardly waits for the commit lock."""


class ReadyQueue:
    """Partitions in the order in which they became ready; each is in it at most once.

    Deliveries that have failed before run first. While `breaker` is open only probes run.
    """

    def __init__(self, breaker: Breaker | None = None) -> None:
        self.breaker = breaker or Breaker()
        self._untried: OrderedDict[Partition, float] = OrderedDict()
        self._failed: OrderedDict[Partition, float] = OrderedDict()
        self._delayed: list[tuple[float, Partition, bool]] = []
        self._delayed_until: dict[Partition, float] = {}

    def add(self, partition: Partition, delay_s: float = 0.0, *, has_failed: bool = False) -> None:
        """Make the partition's next delivery ready in `delay_s` seconds.

        `has_failed`: an earlier attempt at it met an error.
        """
        if delay_s > 0:
            ready_at = self._delayed_until[partition] = monotonic() + delay_s
            heappush(self._delayed, (ready_at, partition, has_failed))
        else:
            self._queue(has_failed)[partition] = monotonic()

    def discard(self, partition: Partition) -> None:
        """Remove the partition, ready or delayed, if it is in the queue."""
        self._untried.pop(partition, None)
        self._failed.pop(partition, None)
        self._delayed_until.pop(partition, None)

    def expedite(self, partition: Partition) -> None:
        """End the partition's delay, if it is delayed."""
        if self._delayed_until.pop(partition, None):
            self.add(partition)

    def take(self, limit: int = MAX_DELIVERIES_PER_TAKE) -> list[Partition]:
        """Remove and return at most `limit` ready partitions; a single probe after an outage."""
        self._promote_delayed()
        if self.breaker.is_open:
            return self._take_probe(limit)
        partitions = _pop(self._failed, limit)
        return partitions + _pop(self._untried, limit - len(partitions))

    def wait_s(self) -> float | None:
        """Seconds until `take` returns a partition; None when the queue is empty."""
        self._promote_delayed()
        waits = [self._delayed[0][0] - monotonic()] if self._delayed else []
        if self._untried:
            waits.append(self.breaker.wait_s(is_untried=True))
        if self._failed:
            waits.append(self.breaker.wait_s())
        return min(waits, default=None)

    def overdue_s(self) -> float:
        """Seconds that the first partition has been ready; 0 while the breaker holds them all."""
        self._promote_delayed()
        if self.breaker.is_open:
            return 0.0
        now = monotonic()
        queues = (self._failed, self._untried)
        return max((now - next(iter(queue.values())) for queue in queues if queue), default=0.0)

    def _take_probe(self, limit: int) -> list[Partition]:
        for queue, is_untried in ((self._untried, True), (self._failed, False)):
            if queue and limit > 0 and not self.breaker.wait_s(is_untried=is_untried):
                self.breaker.begin_probe()
                return _pop(queue, 1)
        return []

    def _queue(self, has_failed: bool) -> OrderedDict[Partition, float]:
        return self._failed if has_failed else self._untried

    def _promote_delayed(self) -> None:
        """Move the partitions whose delay is over to the ready ones."""
        now = monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            ready_at, partition, has_failed = heappop(self._delayed)
            if self._delayed_until.get(partition) == ready_at:  # else it was expedited or discarded
                del self._delayed_until[partition]
                self._queue(has_failed)[partition] = ready_at


def _pop(queue: OrderedDict[Partition, float], limit: int) -> list[Partition]:
    return [queue.popitem(last=False)[0] for _ in range(min(limit, len(queue)))]
