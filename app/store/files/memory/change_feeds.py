"""Feeds: which documents of a collection changed since somebody last asked."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from weakref import WeakSet

POLL_S = 0.005
"""How soon a feed sees what another process wrote; this process's own changes wake it at once."""


class JsonFeed:
    """See app.store.Feed. It ends when its owner forgets it."""

    def __init__(self, catch_up: Callable[[], None], memory: AbstractContextManager[bool]) -> None:
        self._catch_up = catch_up
        self._memory = memory
        self._keys: dict[str, None] = {}
        self._something = threading.Event()

    def take(self, timeout_s: float) -> list[str]:
        """See Feed.take."""
        for _ in range(round(timeout_s / POLL_S)):
            self._catch_up()
            if self._something.wait(POLL_S):
                break
        with self._memory:
            self._catch_up()
            self._something.clear()
            keys, self._keys = self._keys, {}
        return list(keys)

    def wake(self) -> None:
        """See Feed.wake."""
        self._something.set()

    def note(self, key: str) -> None:
        """A document was put or deleted. The caller holds the memory lock."""
        self._keys[key] = None
        self._something.set()


class Feeds:
    """All feeds of one store, by collection. The caller of each method holds the memory lock.

    Of most collections nobody follows the changes; those cost nothing here.
    """

    def __init__(self) -> None:
        self._feeds: defaultdict[str, WeakSet[JsonFeed]] = defaultdict(WeakSet)

    def add(self, collection: str, feed: JsonFeed) -> None:
        """Tell `feed` of every change from now on."""
        self._feeds[collection].add(feed)

    def note(self, collection: str, key: str) -> None:
        """Tell who follows `collection` that a document of it changed."""
        if collection in self._feeds:
            for feed in self._feeds[collection]:
                feed.note(key)

    def note_all(self, keys: Callable[[str], Iterable[str]]) -> None:
        """After a gap it isn't known what changed: name every document of what is followed."""
        for name, feeds in self._feeds.items():
            for key in keys(name) if feeds else ():
                self.note(name, key)
