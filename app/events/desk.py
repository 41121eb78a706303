"""The desk of one handler: the lanes whose next delivery it shall get, and when."""

from collections import deque
from heapq import heappop, heappush
from time import monotonic

from app.events.breaker import Breaker
from app.events.lanes import Lane

MOST_AT_ONCE = 16
"""Deliveries of one handler to a transaction: few enough that a POST hardly waits for the lock."""


class Desk:
    """Each lane lies here at most once: ready since then, or due later. `breaker` guards all."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        self._ready: deque[tuple[float, Lane]] = deque()
        self._later: list[tuple[float, Lane]] = []

    def put(self, lane: Lane, wait_s: float = 0.0) -> None:
        """Have the lane's next delivery run in `wait_s` seconds, or as soon as may be after."""
        if wait_s > 0:
            heappush(self._later, (monotonic() + wait_s, lane))
        else:
            self._ready.append((monotonic(), lane))

    def take(self, most: int = MOST_AT_ONCE) -> list[Lane]:
        """At most `most` lanes that may run now; a single one, as a probe, after an outage."""
        self._ripen()
        if self.breaker.is_open:
            most = 0 if self.breaker.wait_s() else min(most, 1)
        lanes = [self._ready.popleft()[1] for _ in range(min(most, len(self._ready)))]
        if lanes and self.breaker.is_open:
            self.breaker.begin_probe()
        return lanes

    def wait_s(self) -> float | None:
        """Seconds until `take` has something to give; None when nothing lies here."""
        self._ripen()
        if self._ready:
            return self.breaker.wait_s()
        return self._later[0][0] - monotonic() if self._later else None

    def due_s(self) -> float:
        """For how many seconds the first lane could have run; 0 while an outage holds them all."""
        self._ripen()
        if not self._ready or self.breaker.is_open:
            return 0.0
        return monotonic() - self._ready[0][0]

    def _ripen(self) -> None:
        now = monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heappop(self._later))
