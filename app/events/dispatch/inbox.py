"""The delivery loop's inbox: the changed outbox records that it has not read yet.

Reading a changed record costs about as much as a small delivery, so at most 64 are read per
iteration. In a burst of orders the rest waits while the deliveries pause.

Events that only subscribers wait for have an inbox of their own: a recovery of thousands delays no
order, and is neither a burst of orders nor overdue.
"""

from collections import deque
from collections.abc import Iterable
from time import monotonic

from app.store import ChangeFeed

MAX_READ_PER_ITERATION = 64
"""Four times what one handler then gets to do (MAX_DELIVERIES_PER_TAKE)."""


class Inbox:
    """The keys that a change feed reported, oldest first."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._unread: deque[tuple[float, str]] = deque()
        self._own: set[str] = set()
        self.foreign_events = 0
        """The keys in the last `take` that the loop did not change itself."""

    def expect_own(self, keys: Iterable[str]) -> None:
        """The loop has changed these itself: the next `take` does not count them as foreign."""
        self._own.update(keys)

    def take(self, timeout_s: float) -> list[str]:
        """Remove and return at most 64 keys; wait up to `timeout_s` when there are none."""
        keys = self._feed.take(0.0 if self._unread else timeout_s)
        self.foreign_events, now = sum(key not in self._own for key in keys), monotonic()
        self._own.clear()
        self._unread.extend((now, key) for key in keys)
        count = min(MAX_READ_PER_ITERATION, len(self._unread))
        return [self._unread.popleft()[1] for _ in range(count)]

    @property
    def has_unread(self) -> bool:
        """Whether keys were left by the last `take`."""
        return bool(self._unread)

    def overdue_s(self) -> float:
        """Seconds that the oldest unread key has waited; 0 without one."""
        return monotonic() - self._unread[0][0] if self._unread else 0.0
