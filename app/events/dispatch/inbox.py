"""What the dispatcher has heard of and not looked at yet.

Reading what changed costs as much for each event as a small delivery does. So in a burst, when the
deliveries rest to let requests go first, it is put off with them: a little before each of them.
"""

from collections import deque
from collections.abc import Iterable
from time import monotonic

from app.store import ChangeFeed

AT_ONCE = 64
"""So many events are looked at before each step: four times what a handler then gets to do."""


class News:
    """The keys that `feed` told of, oldest first."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._heard: deque[tuple[float, str]] = deque()
        self._own: set[str] = set()
        self.came = 0
        """How many others told of when `take` was called last."""

    def expect(self, keys: Iterable[str]) -> None:
        """The next `take` hears of these as well: they are the caller's own doings."""
        self._own.update(keys)

    def take(self, timeout_s: float) -> list[str]:
        """At most `AT_ONCE` keys; waits up to `timeout_s` where there are none."""
        keys = self._feed.take(0.0 if self._heard else timeout_s)
        self.came, now = sum(key not in self._own for key in keys), monotonic()
        self._own.clear()
        self._heard.extend((now, key) for key in keys)
        return [self._heard.popleft()[1] for _ in range(min(AT_ONCE, len(self._heard)))]

    def due_s(self) -> float:
        """For how many seconds the oldest that is left has waited; 0 where none is."""
        return monotonic() - self._heard[0][0] if self._heard else 0.0
