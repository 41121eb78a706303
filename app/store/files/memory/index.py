"""Sorted indexes over one collection, kept in memory and rebuilt at start.

A *sort key* is the text `sort + SEPARATOR + key`, so sort keys compare as the list is ordered, and
end in the document's key. An index maps each value (a status, a customer) to the sort keys of the
documents that have it.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, TypeAlias

import orjson
from sortedcontainers import SortedList

from app.store import Collection, Document, IndexValue, unsorted
from app.store.documents import SEPARATOR

AFTER_SEPARATOR = "\x20"
ALL = ""
"""The name of the index (and its one value) that holds every document of a listed collection."""

PLAIN_LIST_MAX_ENTRIES = 512
"""Up to this length a plain list is smaller and faster than a SortedList."""

Term = tuple[str, IndexValue]
"""The name of an index, and a value in it."""
Bucket: TypeAlias = "list[str] | SortedList"


class IndexEntry(NamedTuple):
    """A document's sort key, and the terms under which the indexes hold it."""

    sort_key: str
    terms: frozenset[Term]


NOT_INDEXED = IndexEntry("", frozenset())
_LISTED_ONLY = frozenset({(ALL, ALL)})


def index_entry(collection: Collection, document: Document) -> IndexEntry:
    """The index entry of a document; NOT_INDEXED where the collection has no indexes.

    Errors of the collection's functions pass through.
    """
    if not collection.is_indexed:
        return NOT_INDEXED
    sort_key = sort_key_of(collection, document)
    if not collection.indexes:
        return IndexEntry(sort_key, _LISTED_ONLY)
    terms = [
        (name, each) for name, values in collection.indexes.items() for each in values(document)
    ]
    first = _LISTED_ONLY if collection.listed else NOT_INDEXED.terms
    return IndexEntry(sort_key, first.union(terms))


def index_entry_of_key(collection: Collection, key: str) -> IndexEntry | None:
    """The index entry of the document with this key; None where it depends on the document."""
    if not collection.is_indexed:
        return NOT_INDEXED
    if collection.indexes or collection.sort is not unsorted:
        return None
    return IndexEntry(SEPARATOR + key, _LISTED_ONLY)


def index_entry_of_stored(collection: Collection, key: str, raw: bytes | None) -> IndexEntry:
    """The index entry of stored JSON; NOT_INDEXED for None. Raises as `index_entry` does."""
    if raw is None:
        return NOT_INDEXED
    return index_entry_of_key(collection, key) or index_entry(collection, orjson.loads(raw))


def sort_key_of(collection: Collection, document: Document) -> str:
    """A document's sort key."""
    return f"{collection.sort(document)}{SEPARATOR}{document[collection.key]}"


def key_of(sort_key: str) -> str:
    """The document's key at the end of a sort key."""
    return sort_key.rpartition(SEPARATOR)[2]


class Index:
    """One index. Adding and discarding cost O(log n)."""

    def __init__(self, sort_keys: Mapping[IndexValue, list[str]]) -> None:
        """Take the unsorted sort keys of each value; much faster than adding one by one."""
        for each in sort_keys.values():
            each.sort()
        self._buckets: dict[IndexValue, Bucket] = {
            value: SortedList(each) if len(each) > PLAIN_LIST_MAX_ENTRIES else each
            for value, each in sort_keys.items()
        }

    def add(self, value: IndexValue, sort_key: str) -> None:
        """Add `sort_key` under `value`."""
        bucket = self._buckets.get(value)
        if bucket is None:
            self._buckets[value] = [sort_key]
        elif isinstance(bucket, SortedList):
            bucket.add(sort_key)
        else:
            insort(bucket, sort_key)
            if len(bucket) > PLAIN_LIST_MAX_ENTRIES:
                self._buckets[value] = SortedList(bucket)

    def discard(self, value: IndexValue, sort_key: str) -> None:
        """Remove `sort_key` from `value`, and the value when nothing is left."""
        bucket = self._buckets[value]
        if isinstance(bucket, SortedList):
            bucket.remove(sort_key)
        else:
            del bucket[bisect_left(bucket, sort_key)]
        if not bucket:
            del self._buckets[value]

    def count(self, value: IndexValue) -> int:
        """The number of documents that have `value`."""
        return len(self._buckets.get(value, ()))

    def counts(self) -> dict[IndexValue, int]:
        """The number of documents under each value."""
        return {value: len(bucket) for value, bucket in self._buckets.items()}

    def count_between(self, value: IndexValue, start: str, stop: str) -> int:
        """The number of sort keys under `value` from `start` up to but not `stop`."""
        bucket = self._buckets.get(value, [])
        return max(_position(bucket, stop) - _position(bucket, start), 0)

    def contains(self, value: IndexValue, sort_key: str) -> bool:
        """Whether `sort_key` is under `value`."""
        bucket = self._buckets.get(value, [])
        position = _position(bucket, sort_key)
        return position < len(bucket) and bucket[position] == sort_key

    def sort_keys(
        self, value: IndexValue, start: str, stop: str, *, descending: bool
    ) -> Iterator[str]:
        """The sort keys under `value` from `start` up to but not `stop`, in either order."""
        bucket = self._buckets.get(value, [])
        first, end = _position(bucket, start), _position(bucket, stop)
        if isinstance(bucket, SortedList):
            return iter(bucket.islice(first, end, reverse=descending))
        return reversed(bucket[first:end]) if descending else islice(bucket, first, end)


Indexes: TypeAlias = dict[str, Index]
"""The indexes of one collection, by name."""


def update_indexes(indexes: Indexes, old: IndexEntry, new: IndexEntry) -> None:
    """Replace a document's old index entry by its new one."""
    if old == new:
        return
    kept = old.terms & new.terms if old.sort_key == new.sort_key else NOT_INDEXED.terms
    for name, value in old.terms - kept:
        indexes[name].discard(value, old.sort_key)
    for name, value in new.terms - kept:
        indexes[name].add(value, new.sort_key)


def build_indexes(collection: Collection, documents: Iterable[Document]) -> Indexes:
    """The indexes of `documents`. Adding one document after another would slow down every start."""
    sort_keys: dict[str, dict[IndexValue, list[str]]] = {
        name: defaultdict(list) for name in (ALL, *collection.indexes)
    }
    for document in documents:
        sort_key = sort_key_of(collection, document)
        if collection.listed:
            sort_keys[ALL][ALL].append(sort_key)
        for name, values in collection.indexes.items():
            by_value = sort_keys[name]
            for value in {*values(document)}:
                by_value[value].append(sort_key)
    return {name: Index(by_value) for name, by_value in sort_keys.items()}


def _position(bucket: Bucket, sort_key: str) -> int:
    if isinstance(bucket, SortedList):
        return int(bucket.bisect_left(sort_key))
    return bisect_left(bucket, sort_key)
