"""The uncommitted changes of a transaction, with indexes that its own searches read."""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from app.store.files.memory.index import NOT_INDEXED, Index, IndexEntry, Indexes, update_indexes


class Change(NamedTuple):
    """One document put (`raw` is its stored JSON) or deleted (`raw` is None) by a transaction."""

    collection: str
    key: str
    raw: bytes | None
    entry: IndexEntry


class Staged(dict[str, Change]):
    """The uncommitted changes of one transaction in one collection, by key.

    `entries` index the documents put, and `replaced` the committed documents under the same keys.
    Both are brought up to date by a search, because most transactions never search what they
    changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entries: Indexes = defaultdict(lambda: Index({}))
        self.replaced: Indexes = defaultdict(lambda: Index({}))
        self._indexed: dict[str, tuple[IndexEntry, IndexEntry]] = {}
        self._not_indexed: set[str] = set()

    def stage(self, key: str, change: Change | None) -> None:
        """Set the change of a document, or take it back (None)."""
        if change is None:
            self.pop(key, None)
        else:
            self[key] = change
        self._not_indexed.add(key)

    def bring_up_to_date(self, committed_entry: Callable[[str], IndexEntry]) -> None:
        """Index what was staged since the last call: O(log n) for each change."""
        nothing = NOT_INDEXED, NOT_INDEXED
        for key in self._not_indexed:
            before = self._indexed.pop(key, nothing)
            after = nothing
            if key in self:
                after = self._indexed[key] = self[key].entry, committed_entry(key)
            update_indexes(self.entries, before[0], after[0])
            update_indexes(self.replaced, before[1], after[1])
        self._not_indexed.clear()


NO_CHANGES = Staged()
"""The staged changes of a view, which has none; never changed."""
