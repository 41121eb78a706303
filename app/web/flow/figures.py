"""Counters at the places of the flow, and how fast they grow. Nothing counts while nobody looks."""

from collections import deque
from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic

SAMPLE_INTERVAL_S = 1.0
WINDOW_S = 5.0
"""A rate is the mean over about so long; after a longer time without samples it begins anew."""


class Rates:
    """How much counters have grown in a second, by samples of them. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """`clock` returns the time in seconds."""
        self._clock = clock
        self._lock = Lock()
        self._samples: deque[tuple[float, Mapping[str, float]]] = deque()

    def of(self, counters: Mapping[str, float]) -> dict[str, float]:
        """Take a sample; return the rates of those counters whose rate is known."""
        now = self._clock()
        with self._lock:
            samples = self._samples
            if samples and now - samples[-1][0] > WINDOW_S:
                samples.clear()
            if not samples or now - samples[-1][0] >= SAMPLE_INTERVAL_S:
                samples.append((now, dict(counters)))
            while now - samples[0][0] > WINDOW_S:
                samples.popleft()
            began, before = samples[0]
        if now - began < SAMPLE_INTERVAL_S:
            return {}
        return {
            name: max(value - before[name], 0) / (now - began)
            for name, value in counters.items()
            if name in before
        }
