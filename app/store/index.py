"""Sorted indexes over one collection, kept in memory and rebuilt at start.

An *entry* is the text `sort + SEPARATOR + key`: entries sort as the list shall be sorted, and end
in the key. An index maps each value (a status, a customer) to the entries that have it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice

from sortedcontainers import SortedList

from app.store import Collection, Document, IndexValue

SEPARATOR = "\x1f"
AFTER_SEPARATOR = "\x20"
ALL = ""
"""The name of the index (and its one value) that holds every document of a listed collection."""

_LONG = 512
"""A plain list is smaller and faster up to about this length; beyond it, insertion gets dear."""

Posting = tuple[str, IndexValue]
Bucket = list[str] | SortedList


def entry_of(collection: Collection, document: Document) -> str:
    """The document's place in every list of its collection."""
    return f"{collection.sort(document)}{SEPARATOR}{document[collection.key]}"


def key_of(entry: str) -> str:
    """The key at the end of an entry."""
    return entry.partition(SEPARATOR)[2]


def postings(collection: Collection, document: Document) -> set[Posting]:
    """Every (index, value) under which the document is found."""
    found: set[Posting] = {(ALL, ALL)} if collection.listed else set()
    for name, values in collection.indexes.items():
        found.update((name, value) for value in values(document))
    return found


class Index:
    """One index. Adding and discarding cost O(log n)."""

    def __init__(self) -> None:
        self._buckets: dict[IndexValue, Bucket] = {}

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
