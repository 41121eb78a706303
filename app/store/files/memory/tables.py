"""What one process knows: checkpoint files below, layers of newer documents above, indexes beside.

Each journal segment has its layer, so that a checkpoint can take over the layers of finished
segments while the newest goes on growing. Nothing in here locks or writes; replica.py does.
"""

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from heapq import merge
from itertools import islice
from typing import NamedTuple

import orjson

from app.kernel.bounded_cache import BoundedCache
from app.store import Collection, Document, IndexValue, Page
from app.store.files.memory.index import (
    AFTER_SEPARATOR,
    ALL,
    Index,
    IndexEntry,
    Posting,
    entry_of,
    index_entry_by_key,
    index_entry_of_raw,
    key_of,
)
from app.store.files.snapshot.checkpoint_file import CheckpointFile

_END = "\U0010ffff"


class Change(NamedTuple):
    """One document put (`raw`, as stored) or deleted (`raw` is None) by a transaction."""

    collection: str
    key: str
    raw: bytes | None
    filing: IndexEntry


Staged = Mapping[str, Change]
"""The changes of the transaction that asks, in one collection, by key."""


class Memtable(dict[str, dict[str, bytes | None]]):
    """By collection and key: the document put since the layer began, or None for a deleted one."""

    def __init__(self, segment: int, collections: Iterable[str]) -> None:
        super().__init__((name, {}) for name in collections)
        self.segment = segment


class Tables:
    """Documents and indexes as of one moment. The caller holds the memory lock."""

    def __init__(
        self, collections: Iterable[Collection], base: Mapping[str, CheckpointFile], segment: int
    ) -> None:
        """Start from checkpoint files: fill the indexes of those collections that have any."""
        self.collections = {collection.name: collection for collection in collections}
        self.base = dict(base)
        self.memtables = [Memtable(segment, self.collections)]
        self._filings = BoundedCache[tuple[str, str], IndexEntry]()
        with _nothing_collected():
            self._indexes = {
                name: _indexes_over(collection, base[name])
                for name, collection in self.collections.items()
                if collection.listed or collection.indexes
            }

    def apply(self, changes: Iterable[Change]) -> None:
        """Take in one transaction."""
        newest = self.memtables[-1]
        for name, key, raw, filing in changes:
            if name in self._indexes:
                self._refile(name, self.filing(name, key), filing)
                self._filings[name, key] = filing
            newest[name][key] = raw

    def raw(self, collection: str, key: str) -> bytes | None:
        """The stored JSON of a document, or None."""
        for memtable in reversed(self.memtables):
            documents = memtable[collection]
            if key in documents:
                return documents[key]
        return self.base[collection].get(key)

    def filing(self, collection: str, key: str) -> IndexEntry:
        """Where a document of a collection that has indexes is filed now."""
        if lately := self._filings.get((collection, key)):
            return lately
        declared, raw = self.collections[collection], self.raw(collection, key)
        return (raw and index_entry_by_key(declared, key)) or index_entry_of_raw(declared, raw)

    def keys(self, collection: str) -> Iterator[str]:
        """Every key of the collection."""
        field = self.collections[collection].key
        newer = {key: None for memtable in self.memtables for key in memtable[collection]}
        for raw in self.base[collection].lines():
            if (key := orjson.loads(raw)[field]) not in newer:
                yield key
        yield from (key for key in newer if self.raw(collection, key) is not None)

    def scan(self, collection: str, after: str, limit: int, staged: Staged) -> list[bytes]:
        """See View.scan; the documents as they are stored."""
        newer = {key for memtable in self.memtables for key in memtable[collection] if key > after}
        newer |= {key for key in staged if key > after}
        file = self.base[collection].documents_after(after)
        older = ((key, raw) for key, raw in file if key not in newer)
        fresh = (
            (key, raw)
            for key in sorted(newer)
            if (raw := staged[key].raw if key in staged else self.raw(collection, key))
        )
        return [raw for _, raw in islice(merge(older, fresh), limit)]

    def count(
        self,
        collection: str,
        where: Mapping[str, IndexValue],
        low: str,
        high: str | None,
        staged: Staged,
    ) -> int:
        """How many documents match."""
        if not (where or low or staged) and high is None and self.collections[collection].listed:
            return self._indexes[collection][ALL].count(ALL)
        wanted = self._wanted(collection, where)
        start, stop = _range(low, high, None, False)

        def matches(filing: IndexEntry) -> bool:
            return wanted <= filing.postings and start <= filing.entry < stop

        number = sum(
            matches(change.filing) - matches(self.filing(collection, change.key))
            for change in staged.values()
        )
        if len(wanted) > 1:
            return number + sum(1 for _ in self._matching(collection, wanted, start, stop, False))
        ((name, value),) = wanted
        return number + self._indexes[collection][name].count_between(value, start, stop)

    def find(
        self,
        collection: str,
        where: Mapping[str, IndexValue],
        low: str,
        high: str | None,
        after: str | None,
        limit: int | None,
        descending: bool,
        staged: Staged,
    ) -> Page:
        """See View.find."""
        wanted = self._wanted(collection, where)
        start, stop = _range(low, high, after, descending)
        kept = (
            entry
            for entry in self._matching(collection, wanted, start, stop, descending)
            if key_of(entry) not in staged
        )
        fresh = [
            change.filing.entry
            for change in staged.values()
            if wanted <= change.filing.postings and start <= change.filing.entry < stop
        ]
        entries = (
            merge(kept, sorted(fresh, reverse=descending), reverse=descending) if fresh else kept
        )
        found = list(islice(entries, None if limit is None else limit + 1))
        page = found[:limit]
        documents = [self._document(collection, key_of(entry), staged) for entry in page]
        return Page(documents, page[-1] if page and len(found) > len(page) else None)

    def _wanted(self, collection: str, where: Mapping[str, IndexValue]) -> frozenset[Posting]:
        """The postings that a document must have. Raises ValueError where nothing is indexed so."""
        declared = self.collections[collection]
        if not where and not declared.listed:
            raise ValueError(f"{collection} is not listed; it can be read by key or by an index")
        if unknown := where.keys() - declared.indexes.keys():
            raise ValueError(f"{collection} has no index {', '.join(sorted(unknown))}")
        return frozenset(where.items()) or frozenset({(ALL, ALL)})

    def _matching(
        self, collection: str, wanted: frozenset[Posting], start: str, stop: str, descending: bool
    ) -> Iterator[str]:
        """The entries that match all filters: the rarest one leads, the others are asked."""
        indexes = self._indexes[collection]
        filters = sorted(
            ((indexes[name], value) for name, value in wanted),
            key=lambda pair: pair[0].count(pair[1]),
        )
        (index, value), *others = filters
        for entry in index.entries(value, start, stop, descending=descending):
            if all(other.contains(wanted, entry) for other, wanted in others):
                yield entry

    def _document(self, collection: str, key: str, staged: Staged) -> Document:
        raw = staged[key].raw if key in staged else self.raw(collection, key)
        document: Document = orjson.loads(raw or b"null")
        return document

    def _refile(self, collection: str, old: IndexEntry, new: IndexEntry) -> None:
        if old == new:
            return
        indexes = self._indexes[collection]
        moved = old.entry != new.entry
        for name, value in old.postings if moved else old.postings - new.postings:
            indexes[name].discard(value, old.entry)
        for name, value in new.postings if moved else new.postings - old.postings:
            indexes[name].add(value, new.entry)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Millions of objects are made here, and all stay: looking for garbage is a waste of time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _indexes_over(collection: Collection, file: CheckpointFile) -> dict[str, Index]:
    """As filing each document would make them, but quicker: every start waits for this."""
    entries: dict[str, dict[IndexValue, list[str]]] = {
        name: defaultdict(list) for name in (ALL, *collection.indexes)
    }
    for document in map(orjson.loads, file.lines()):
        entry = entry_of(collection, document)
        if collection.listed:
            entries[ALL][ALL].append(entry)
        for name, values in collection.indexes.items():
            filed = entries[name]
            for value in {*values(document)}:
                filed[value].append(entry)
    return {name: Index(filed) for name, filed in entries.items()}


def _range(low: str, high: str | None, after: str | None, descending: bool) -> tuple[str, str]:
    """From which entry on, and up to but without which one."""
    start = low
    stop = _END if high is None else high + AFTER_SEPARATOR
    if after is not None and descending:
        stop = min(stop, after)
    elif after is not None:
        start = max(start, after + AFTER_SEPARATOR)
    return start, stop
