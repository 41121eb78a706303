"""What one process knows: checkpoint files below, layers of newer documents above, indexes beside.

Each journal segment has its layer, so that a checkpoint can take over the layers of finished
segments while the newest goes on growing. Nothing in here locks or writes; JsonFileStore does.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import islice

import orjson

from app.store import Collection, Document, IndexValue, Page
from app.store.checkpoint import CheckpointFile
from app.store.index import (
    AFTER_SEPARATOR,
    ALL,
    Index,
    Posting,
    entry_of,
    key_of,
    postings,
)

_END = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Change:
    """One document put (`raw`, as stored) or deleted (`raw` is None) by a transaction."""

    collection: str
    key: str
    raw: bytes | None
    document: Document | None


class Layer(dict[str, dict[str, bytes | None]]):
    """By collection and key: the document put since the layer began, or None for a deleted one."""

    def __init__(self, segment: int, collections: Iterable[str]) -> None:
        super().__init__((name, {}) for name in collections)
        self.segment = segment


class Watch:
    """The keys that changed in one collection since they were last taken."""

    def __init__(self) -> None:
        self.keys: deque[str] = deque()
        self.something = threading.Event()

    def note(self, key: str) -> None:
        """A document of the collection was put or deleted."""
        self.keys.append(key)
        self.something.set()


class State:
    """Documents and indexes as of one moment. The caller holds the memory lock."""

    def __init__(
        self, collections: Iterable[Collection], watches: Mapping[str, list[Watch]]
    ) -> None:
        self.collections = {collection.name: collection for collection in collections}
        self.base: dict[str, CheckpointFile] = {}
        self.layers: list[Layer] = []
        self._watches = watches
        self._indexes: dict[str, dict[str, Index]] = {
            collection.name: {name: Index() for name in (ALL, *collection.indexes)}
            for collection in self.collections.values()
            if collection.listed or collection.indexes
        }

    def load(self, base: Mapping[str, CheckpointFile]) -> None:
        """Start from checkpoint files: fill the indexes of those collections that have any."""
        self.base = dict(base)
        for name in self._indexes:
            for raw in base[name].lines():
                self._reindex(name, None, orjson.loads(raw))

    def apply(self, changes: Iterable[Change]) -> None:
        """Take in one transaction."""
        for change in changes:
            if change.collection in self._indexes:
                before = self.raw(change.collection, change.key)
                self._reindex(
                    change.collection, orjson.loads(before) if before else None, change.document
                )
            self.layers[-1][change.collection][change.key] = change.raw
            for watch in self._watches[change.collection]:
                watch.note(change.key)

    def raw(self, collection: str, key: str) -> bytes | None:
        """The stored JSON of a document, or None."""
        for layer in reversed(self.layers):
            documents = layer[collection]
            if key in documents:
                return documents[key]
        return self.base[collection].get(key)

    def keys(self, collection: str) -> Iterator[str]:
        """Every key of the collection."""
        field = self.collections[collection].key
        newer = {key for layer in self.layers for key in layer[collection]}
        for raw in self.base[collection].lines():
            if (key := orjson.loads(raw)[field]) not in newer:
                yield key
        yield from (key for key in newer if self.raw(collection, key) is not None)

    def count(self, collection: str, where: Mapping[str, IndexValue]) -> int:
        """How many documents match one filter, or are listed at all."""
        (name, value) = next(iter(where.items()), (ALL, ALL))
        return self._indexes[collection][name].count(value)

    def find(
        self,
        collection: str,
        where: Mapping[str, IndexValue],
        low: str,
        high: str | None,
        after: str | None,
        limit: int | None,
        descending: bool,
        staged: Mapping[str, Document | None],
    ) -> Page:
        """See View.find. `staged` are changes of the transaction that asks, by key."""
        start = low
        stop = _END if high is None else high + AFTER_SEPARATOR
        if after is not None and descending:
            stop = min(stop, after)
        elif after is not None:
            start = max(start, after + AFTER_SEPARATOR)
        kept = (
            entry
            for entry in self._matching(collection, where, start, stop, descending)
            if key_of(entry) not in staged
        )
        fresh = sorted(
            self._staged_entries(collection, where, start, stop, staged), reverse=descending
        )
        entries = merge(kept, fresh, reverse=descending)
        wanted = list(islice(entries, None if limit is None else limit + 1))
        page = wanted if limit is None else wanted[:limit]
        documents = [self._document(collection, key_of(entry), staged) for entry in page]
        return Page(documents, page[-1] if len(wanted) > len(page) else None)

    def _matching(
        self,
        collection: str,
        where: Mapping[str, IndexValue],
        low: str,
        high: str,
        descending: bool,
    ) -> Iterator[str]:
        """The entries that match all filters: the rarest one leads, the others are asked."""
        indexes = self._indexes[collection]
        filters = [(indexes[name], value) for name, value in where.items()] or [(indexes[ALL], ALL)]
        filters.sort(key=lambda pair: pair[0].count(pair[1]))
        (index, value), *others = filters
        for entry in index.entries(value, low, high, descending=descending):
            if all(other.contains(wanted, entry) for other, wanted in others):
                yield entry

    def _staged_entries(
        self,
        collection: str,
        where: Mapping[str, IndexValue],
        low: str,
        high: str,
        staged: Mapping[str, Document | None],
    ) -> Iterator[str]:
        declared = self.collections[collection]
        wanted: set[Posting] = set(where.items()) or {(ALL, ALL)}
        for document in staged.values():
            if document is None or not wanted <= postings(declared, document):
                continue
            if low <= (entry := entry_of(declared, document)) < high:
                yield entry

    def _document(
        self, collection: str, key: str, staged: Mapping[str, Document | None]
    ) -> Document:
        found = staged.get(key) or orjson.loads(self.raw(collection, key) or b"null")
        document: Document = found
        return document

    def _reindex(self, collection: str, before: Document | None, after: Document | None) -> None:
        declared, indexes = self.collections[collection], self._indexes[collection]
        old, new = _filed(declared, before), _filed(declared, after)
        for (name, value), entry in old - new:
            indexes[name].discard(value, entry)
        for (name, value), entry in new - old:
            indexes[name].add(value, entry)


def changes_of(
    collections: Mapping[str, Collection],
    put: Mapping[str, list[Document]],
    delete: Mapping[str, list[str]],
    dumps: Callable[[Document], bytes] = orjson.dumps,
) -> Iterator[Change]:
    """The changes that a journal line tells of."""
    for name, documents in put.items():
        field = collections[name].key
        for document in documents:
            yield Change(name, document[field], dumps(document), document)
    for name, keys in delete.items():
        yield from (Change(name, key, None, None) for key in keys)


def _filed(collection: Collection, document: Document | None) -> set[tuple[Posting, str]]:
    if document is None:
        return set()
    entry = entry_of(collection, document)
    return {(posting, entry) for posting in postings(collection, document)}
