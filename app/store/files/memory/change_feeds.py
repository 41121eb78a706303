"""Change feeds: the keys of a collection's documents that changed since the last take."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from weakref import WeakSet

POLL_INTERVAL_S = 0.005
"""How often a waiting feed looks for other processes' changes; this process's wake it at once."""


class JsonChangeFeed:
    """See app.store.ChangeFeed. It ends when its owner drops the last reference."""

    def __init__(
        self, catch_up: Callable[[], None], memory_lock: AbstractContextManager[bool]
    ) -> None:
        self._catch_up = catch_up
        self._memory_lock = memory_lock
        self._keys: dict[str, None] = {}
        self._wake = threading.Event()

    def take(self, timeout_s: float) -> list[str]:
        """See ChangeFeed.take."""
        for _ in range(round(timeout_s / POLL_INTERVAL_S)):
            self._catch_up()
            if self._wake.wait(POLL_INTERVAL_S):
                break
        with self._memory_lock:
            self._catch_up()
            self._wake.clear()
            keys, self._keys = self._keys, {}
        return list(keys)

    def wake(self) -> None:
        """See ChangeFeed.wake."""
        self._wake.set()

    def record(self, key: str) -> None:
        """Record that a document was put or deleted. The caller holds the memory lock."""
        self._keys[key] = None
        self._wake.set()


class ChangeFeeds:
    """All feeds of one store, by collection. The caller of each method holds the memory lock.

    A collection without feeds costs nothing here.
    """

    def __init__(self) -> None:
        self._feeds: defaultdict[str, WeakSet[JsonChangeFeed]] = defaultdict(WeakSet)

    def add(self, collection: str, feed: JsonChangeFeed) -> None:
        """Record every later change of the collection in `feed`."""
        self._feeds[collection].add(feed)

    def record(self, collection: str, key: str) -> None:
        """Record a changed document in the feeds of its collection."""
        for feed in self._feeds.get(collection, ()):
            feed.record(key)

    def record_all(self, keys: Callable[[str], Iterable[str]]) -> None:
        """Record every key of each collection that has feeds: after a gap any may have changed."""
        for name, feeds in self._feeds.items():
            for key in keys(name) if feeds else ():
                self.record(name, key)
