"""The desk of one handler: the lanes whose next delivery it shall get, and when."""

from collections import deque
from heapq import heappop, heappush
from time import monotonic

from app.events.dispatch.breaker import Breaker
from app.events.dispatch.partitions import Partition

MOST_AT_ONCE = 16
"""Deliveries of one handler to a transaction: few enough that a POST hardly waits for the lock."""


class ReadyQueue:
    """Each lane lies here at most once: ready since then, or due later. `breaker` guards all."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        self._new: deque[tuple[float, Partition]] = deque()
        self._failed: deque[tuple[float, Partition]] = deque()
        self._later: list[tuple[float, Partition, bool]] = []

    def put(self, partition: Partition, wait_s: float = 0.0, *, has_failed: bool = False) -> None:
        """Have the lane's next delivery run in `wait_s` seconds, or as soon as may be after.

        `has_failed`: it has been tried, and met an error. It was here before those that are new.
        """
        if wait_s > 0:
            heappush(self._later, (monotonic() + wait_s, partition, has_failed))
        else:
            self._queue(has_failed).append((monotonic(), partition))

    def take(self, most: int = MOST_AT_ONCE) -> list[Partition]:
        """At most `most` lanes that may run now; a single one, as a probe, after an outage."""
        self._ripen()
        if self.breaker.is_open:
            return self._probe(most)
        partitions = _taken(self._failed, most)
        return partitions + _taken(self._new, most - len(partitions))

    def wait_s(self) -> float | None:
        """Seconds until `take` has something to give; None when nothing lies here."""
        self._ripen()
        waits = [self._later[0][0] - monotonic()] if self._later else []
        if self._new:
            waits.append(self.breaker.wait_s(is_new=True))
        if self._failed:
            waits.append(self.breaker.wait_s())
        return min(waits, default=None)

    def due_s(self) -> float:
        """For how many seconds the first lane could have run; 0 while an outage holds them all."""
        self._ripen()
        if self.breaker.is_open:
            return 0.0
        now = monotonic()
        return max((now - queue[0][0] for queue in (self._failed, self._new) if queue), default=0.0)

    def _probe(self, most: int) -> list[Partition]:
        """One lane whose time has come, a new one if there is any; else none."""
        for queue, is_new in ((self._new, True), (self._failed, False)):
            if queue and most > 0 and not self.breaker.wait_s(is_new=is_new):
                self.breaker.begin_probe()
                return _taken(queue, 1)
        return []

    def _queue(self, has_failed: bool) -> deque[tuple[float, Partition]]:
        return self._failed if has_failed else self._new

    def _ripen(self) -> None:
        now = monotonic()
        while self._later and self._later[0][0] <= now:
            since, partition, has_failed = heappop(self._later)
            self._queue(has_failed).append((since, partition))


def _taken(queue: deque[tuple[float, Partition]], most: int) -> list[Partition]:
    """The first lanes of a queue, at most so many; they are in it no more."""
    return [queue.popleft()[1] for _ in range(min(most, len(queue)))]
