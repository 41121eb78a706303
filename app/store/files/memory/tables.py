"""The tables of a store: memtables over checkpoint files, and the indexes of both.

There is a memtable for each log segment, so that a checkpoint can write the memtables of finished
segments to the files while the newest one grows. Nothing here locks or writes; replica.py does.
"""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from heapq import merge
from itertools import chain, groupby, islice

import orjson

from app.store import Collection, IndexValue, Page
from app.store.files.memory.index import (
    ALL,
    IndexEntry,
    Indexes,
    build_indexes,
    index_entry_of_stored,
    key_of,
    update_indexes,
)
from app.store.files.memory.query import EVERYTHING, Query, Selection, require_indexes
from app.store.files.memory.staged import NO_CHANGES, Change, Staged
from app.store.files.snapshot.checkpoint_file import CheckpointFile
from app.store.files.wal.format import encode_key
from app.system.bounded_cache import BoundedCache


class Memtable(dict[str, dict[str, bytes | None]]):
    """The documents put in one log segment, by collection and key; None for a deleted one.

    `begins_at` is `Tables.appended_bytes` at its beginning.
    """

    def __init__(self, segment: int, collections: Iterable[str], begins_at: int) -> None:
        super().__init__((name, {}) for name in collections)
        self.segment = segment
        self.begins_at = begins_at


class Tables:
    """Documents and indexes as of one moment. The caller holds the memory lock.

    `appended_bytes` counts the stored JSON of all documents put since the tables were opened.
    """

    def __init__(
        self, collections: Iterable[Collection], base: Mapping[str, CheckpointFile], segment: int
    ) -> None:
        """Start from the checkpoint files `base`, and build the indexes from them."""
        self.collections = {collection.name: collection for collection in collections}
        self.base = dict(base)
        self.appended_bytes = 0
        self.memtables: list[Memtable] = []
        self.add_memtable(segment)
        self._entry_cache = BoundedCache[tuple[str, str], IndexEntry]()
        with _gc_paused():
            self._indexes = {
                name: build_indexes(collection, map(orjson.loads, base[name].lines()))
                for name, collection in self.collections.items()
                if collection.is_indexed
            }

    def add_memtable(self, segment: int) -> None:
        """Begin the memtable of a new log segment."""
        self.memtables.append(Memtable(segment, self.collections, self.appended_bytes))

    def unsaved_bytes(self) -> int:
        """The most by which the files grow when they get the changes of all memtables."""
        return self.appended_bytes - self.memtables[0].begins_at

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply the changes of one transaction."""
        newest = self.memtables[-1]
        for name, key, raw, entry in changes:
            if name in self._indexes:
                update_indexes(self._indexes[name], self._index_entry(name, key), entry)
                self._entry_cache[name, key] = entry
            newest[name][key] = raw
            self.appended_bytes += len(raw or b"")

    def get(self, collection: str, key: str, staged: Staged = NO_CHANGES) -> bytes | None:
        """The stored JSON of a document, or None."""
        if key in staged:
            return staged[key].raw
        for memtable in reversed(self.memtables):
            documents = memtable[collection]
            if key in documents:
                return documents[key]
        return self.base[collection].get(key)

    def keys(self, collection: str, staged: Staged = NO_CHANGES) -> Iterator[str]:
        """See View.keys."""
        field = self.collections[collection].key
        newer = dict.fromkeys(key for table in self.memtables for key in table[collection])
        newer |= dict.fromkeys(staged)
        for raw in self.base[collection].lines():
            if (key := orjson.loads(raw)[field]) not in newer:
                yield key
        yield from (key for key in newer if self.get(collection, key, staged) is not None)

    def scan(self, collection: str, after: str, limit: int, staged: Staged) -> list[bytes]:
        """See View.scan; returns stored JSON. Keys are ordered as in the file, by their JSON."""
        start = orjson.dumps(after) if after else b""
        keys = chain(staged, *(table[collection] for table in self.memtables))
        newer = {token: key for key in keys if (token := encode_key(key)) > start}
        in_file = self.base[collection].documents_after(start)
        unchanged = ((token, raw) for token, raw in in_file if token not in newer)
        changed = (
            (token, raw)
            for token in sorted(newer)
            if (raw := self.get(collection, newer[token], staged))
        )
        return [raw for _, raw in islice(merge(unchanged, changed), limit)]

    def count(self, collection: str, query: Query, staged: Staged) -> int:
        """See View.count."""
        if query == EVERYTHING and not staged and self.collections[collection].listed:
            return self._indexes[collection][ALL].count(ALL)
        selection = query.select(self.collections[collection])
        count = _count(self._indexes[collection], selection)
        if staged:
            self._index_staged(collection, staged)
            count += _count(staged.entries, selection) - _count(staged.replaced, selection)
        return count

    def count_values(self, collection: str, index: str, staged: Staged) -> dict[IndexValue, int]:
        """See View.count_values."""
        require_indexes(self.collections[collection], {index})
        counts = Counter(self._indexes[collection][index].counts())
        if staged:
            self._index_staged(collection, staged)
            counts.update(staged.entries[index].counts())
            counts.subtract(staged.replaced[index].counts())
        return +counts

    def find(self, collection: str, query: Query, staged: Staged) -> Page:
        """See View.find. Committed documents that the transaction changed are read over."""
        selection = query.select(self.collections[collection])
        descending, skip, limit = query.descending, query.skip, query.limit
        sort_keys = _sort_keys(self._indexes[collection], selection, descending=descending)
        if staged:
            self._index_staged(collection, staged)
            unchanged = (each for each in sort_keys if key_of(each) not in staged)
            changed = _sort_keys(staged.entries, selection, descending=descending)
            sort_keys = iter(merge(unchanged, changed, reverse=descending))
        stop = None if limit is None else skip + limit + 1
        found = list(islice(sort_keys, skip, stop))
        page = found[:limit]
        stored = (self.get(collection, key_of(each), staged) for each in page)
        documents = [orjson.loads(raw or b"null") for raw in stored]
        return Page(documents, page[-1] if page and len(found) > len(page) else None)

    def _index_staged(self, collection: str, staged: Staged) -> None:
        staged.bring_up_to_date(partial(self._index_entry, collection))

    def _index_entry(self, collection: str, key: str) -> IndexEntry:
        """The present index entry of a document in an indexed collection."""
        if cached := self._entry_cache.get((collection, key)):
            return cached
        raw = self.get(collection, key)
        return index_entry_of_stored(self.collections[collection], key, raw)


def _count(indexes: Indexes, selection: Selection) -> int:
    """How many index entries are selected."""
    terms, *others = selection.filters
    if others or len(terms) > 1:
        return sum(1 for _ in _sort_keys(indexes, selection))
    ((name, value),) = terms
    return indexes[name].count_between(value, selection.start, selection.stop)


def _sort_keys(
    indexes: Indexes, selection: Selection, *, descending: bool = False
) -> Iterator[str]:
    """The sort keys selected: read from the rarest filter, checked against the others."""
    filters = [[(indexes[name], value) for name, value in terms] for terms in selection.filters]
    filters.sort(key=lambda terms: sum(index.count(value) for index, value in terms))
    rarest, *others = filters
    bounds = selection.start, selection.stop
    lists = [index.sort_keys(value, *bounds, descending=descending) for index, value in rarest]
    for each in lists[0] if len(lists) == 1 else _union(lists, descending=descending):
        if all(any(index.contains(value, each) for index, value in other) for other in others):
            yield each


def _union(lists: list[Iterator[str]], *, descending: bool) -> Iterator[str]:
    """The sort keys of several sorted lists, each once: a document may have several values."""
    return (each for each, _ in groupby(merge(*lists, reverse=descending)))


@contextmanager
def _gc_paused() -> Iterator[None]:
    """Pause garbage collection: millions of objects are created here, and all of them stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
