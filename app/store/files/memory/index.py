"""Sorted indexes over one collection, kept in memory and rebuilt at start.

An *entry* is the text `sort + SEPARATOR + key`: entries sort as the list shall be sorted, and end
in the key. An index maps each value (a status, a customer) to the entries that have it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple, TypeAlias

import orjson
from sortedcontainers import SortedList

from app.store import Collection, Document, IndexValue, unsorted

SEPARATOR = "\x1f"
"""Below every character of a sort text, so that a text sorts before a longer one. Not in keys."""
AFTER_SEPARATOR = "\x20"
ALL = ""
"""The name of the index (and its one value) that holds every document of a listed collection."""

_LONG = 512
"""A plain list is smaller and faster up to about this length; beyond it, insertion gets dear."""

Posting = tuple[str, IndexValue]
Bucket: TypeAlias = "list[str] | SortedList"


class IndexEntry(NamedTuple):
    """Where a document is found: its place in every list, and each (index, value) it is under."""

    entry: str
    postings: frozenset[Posting]


NOWHERE = IndexEntry("", frozenset())
_LISTED_ONLY = frozenset({(ALL, ALL)})


def index_entry_of_raw(collection: Collection, raw: bytes | None) -> IndexEntry:
    """The filing of a stored document; NOWHERE for None, and where nothing is indexed.

    Raises what the functions of the collection raise for a document that they cannot deal with.
    """
    if raw is None or not (collection.listed or collection.indexes):
        return NOWHERE
    return filed(collection, orjson.loads(raw))


def filed(collection: Collection, document: Document) -> IndexEntry:
    """The filing of a document as it is stored; it raises as `index_entry_of_raw` does."""
    if not (collection.listed or collection.indexes):
        return NOWHERE
    entry = entry_of(collection, document)
    if not collection.indexes:
        return IndexEntry(entry, _LISTED_ONLY)
    found = [
        (name, each) for name, values in collection.indexes.items() for each in values(document)
    ]
    return IndexEntry(entry, _LISTED_ONLY.union(found) if collection.listed else frozenset(found))


def index_entry_by_key(collection: Collection, key: str) -> IndexEntry | None:
    """The filing of a document with this key, where nothing else about it counts; else None."""
    if not (collection.listed or collection.indexes):
        return NOWHERE
    if collection.indexes or collection.sort is not unsorted:
        return None
    return IndexEntry(SEPARATOR + key, _LISTED_ONLY)


def entry_of(collection: Collection, document: Document) -> str:
    """A document's place in every list."""
    return f"{collection.sort(document)}{SEPARATOR}{document[collection.key]}"


def key_of(entry: str) -> str:
    """The key at the end of an entry."""
    return entry.rpartition(SEPARATOR)[2]


class Index:
    """One index. Adding and discarding cost O(log n)."""

    def __init__(self, entries: Mapping[IndexValue, list[str]]) -> None:
        """File `entries`, in any order, each under its value; much faster than one by one."""
        for each in entries.values():
            each.sort()
        self._buckets: dict[IndexValue, Bucket] = {
            value: SortedList(each) if len(each) > _LONG else each
            for value, each in entries.items()
        }

    def add(self, value: IndexValue, entry: str) -> None:
        """File `entry` under `value`."""
        bucket = self._buckets.get(value)
        if bucket is None:
            self._buckets[value] = [entry]
        elif isinstance(bucket, SortedList):
            bucket.add(entry)
        else:
            insort(bucket, entry)
            if len(bucket) > _LONG:
                self._buckets[value] = SortedList(bucket)

    def discard(self, value: IndexValue, entry: str) -> None:
        """Take `entry` from under `value`; an empty value is forgotten."""
        bucket = self._buckets[value]
        if isinstance(bucket, SortedList):
            bucket.remove(entry)
        else:
            del bucket[bisect_left(bucket, entry)]
        if not bucket:
            del self._buckets[value]

    def count(self, value: IndexValue) -> int:
        """How many entries have `value`."""
        return len(self._buckets.get(value, ()))

    def count_between(self, value: IndexValue, low: str, high: str) -> int:
        """How many entries with `value` there are from `low` up to but without `high`."""
        bucket = self._buckets.get(value, [])
        return max(_place(bucket, high) - _place(bucket, low), 0)

    def contains(self, value: IndexValue, entry: str) -> bool:
        """Whether `entry` has `value`."""
        bucket = self._buckets.get(value, [])
        place = _place(bucket, entry)
        return place < len(bucket) and bucket[place] == entry

    def entries(self, value: IndexValue, low: str, high: str, *, descending: bool) -> Iterator[str]:
        """The entries with `value` from `low` up to but without `high`, in either direction."""
        bucket = self._buckets.get(value, [])
        start, stop = _place(bucket, low), _place(bucket, high)
        if isinstance(bucket, SortedList):
            return iter(bucket.islice(start, stop, reverse=descending))
        return reversed(bucket[start:stop]) if descending else islice(bucket, start, stop)


def _place(bucket: Bucket, entry: str) -> int:
    if isinstance(bucket, SortedList):
        return int(bucket.bisect_left(entry))
    return bisect_left(bucket, entry)
