"""Views and transactions over the tables in memory."""

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import uuid_utils

from app.kernel.errors import Invalid, Problem
from app.store import Collection, Document, IndexValue, Page, Place, Where
from app.store.documents import key_of_document, refuse_non_numbers
from app.store.files.memory.index import NOT_INDEXED, index_entry, index_entry_of_key
from app.store.files.memory.query import Query
from app.store.files.memory.staged import NO_CHANGES, Change, Staged
from app.store.files.memory.tables import Tables
from app.store.files.wal.format import encode_document

LAST_ID = "last_id"
ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
COUNTER_MAX = 10**15


def check_counter(counter: Document) -> None:
    """Raise Invalid unless a counter that a person wrote holds a valid number or id."""
    value = counter.get("value")
    if counter.keys() != {"name", "value"}:
        raise Invalid([Problem("", "must have a name and a value, and nothing else")])
    if counter["name"] == LAST_ID:
        if not isinstance(value, str) or not ID.fullmatch(value):
            raise Invalid([Problem("/value", "must be a UUID, in small letters")])
    elif type(value) is not int or not 0 <= value <= COUNTER_MAX:
        raise Invalid([Problem("/value", f"must be a whole number from 0 to {COUNTER_MAX}")])


COUNTERS = Collection(name="counters", key="name", check=check_counter)
"""The store's own collection: the last number issued in each series, and the last id."""


class JsonView:
    """See app.store.View. The caller holds a lock under which `tables` do not change."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get(self, collection: str, key: str) -> Document | None:
        """See View.get."""
        raw = self._tables.get(collection, key, self._staged_in(collection))
        return None if raw is None else orjson.loads(raw)

    def prefetch(self, places: Iterable[Place]) -> None:
        """See View.prefetch: every document is at hand."""

    def find(self, collection: str, where: Where = None, **options: Any) -> Page:
        """See View.find; `options` are the other members of a Query."""
        return self._tables.find(collection, Query(where, **options), self._staged_in(collection))

    def count(
        self, collection: str, where: Where = None, *, low: str = "", high: str | None = None
    ) -> int:
        """See View.count."""
        return self._tables.count(collection, Query(where, low, high), self._staged_in(collection))

    def count_values(self, collection: str, index: str) -> dict[IndexValue, int]:
        """See View.count_values."""
        return self._tables.count_values(collection, index, self._staged_in(collection))

    def keys(self, collection: str) -> Iterator[str]:
        """See View.keys."""
        return self._tables.keys(collection, self._staged_in(collection))

    def scan(self, collection: str, after: str, limit: int) -> list[Document]:
        """See View.scan."""
        found = self._tables.scan(collection, after, limit, self._staged_in(collection))
        return [orjson.loads(raw) for raw in found]

    def last_number(self, series: str) -> int:
        """See View.last_number."""
        return int((self.get(COUNTERS.name, series) or {"value": 0})["value"])

    def _staged_in(self, _collection: str) -> Staged:
        """The uncommitted changes in the collection; a view has none."""
        return NO_CHANGES


class JsonTransaction(JsonView):
    """See app.store.Transaction. The caller holds the store's lock, so the tables do not change.

    Changes are staged as the JSON to store and with their index entries, so that no error of a
    document is left once it is written to the log.
    """

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._staged: defaultdict[str, Staged] = defaultdict(Staged)
        self._undo: list[tuple[str, str, Change | None]] = []
        self._last_id = ""

    def put(self, collection: str, document: Document) -> None:
        """See Transaction.put."""
        declared = self._tables.collections[collection]
        key = key_of_document(declared, document)
        raw = encode_document(document)
        entry = index_entry_of_key(declared, key)
        if entry is None or b"null" in raw:
            stored = orjson.loads(raw)
            refuse_non_numbers(document, stored)
            entry = entry or index_entry(declared, stored)
        self._stage(Change(collection, key, raw, entry))

    def delete(self, collection: str, key: str) -> None:
        """See Transaction.delete."""
        if self._tables.get(collection, key, self._staged_in(collection)) is not None:
            self._stage(Change(collection, key, None, NOT_INDEXED))

    def new_id(self) -> str:
        """See Transaction.new_id."""
        last = self._last_id or (self.get(COUNTERS.name, LAST_ID) or {"value": ""})["value"]
        fresh = str(uuid_utils.uuid7())
        if fresh <= last:
            fresh = str(uuid.UUID(int=uuid.UUID(last).int + 1))
        self._last_id = fresh
        return fresh

    def next_number(self, series: str, first: int = 1, *, has_gaps: bool = False) -> int:
        """See Transaction.next_number. No series has gaps."""
        last = self.last_number(series)
        number = last + 1 if last else first
        self.put(COUNTERS.name, {"name": series, "value": number})
        return number

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """See Transaction.savepoint."""
        mark, last_id = len(self._undo), self._last_id
        try:
            yield
        except BaseException:
            self._last_id = last_id
            while len(self._undo) > mark:
                collection, key, before = self._undo.pop()
                self._staged[collection].stage(key, before)
            raise

    def changes(self) -> list[Change]:
        """The changes to commit, with the last id issued."""
        if self._last_id:
            self.put(COUNTERS.name, {"name": LAST_ID, "value": self._last_id})
        return [change for staged in self._staged.values() for change in staged.values()]

    def _staged_in(self, collection: str) -> Staged:
        return self._staged.get(collection, NO_CHANGES)

    def _stage(self, change: Change) -> None:
        staged = self._staged[change.collection]
        self._undo.append((change.collection, change.key, staged.get(change.key)))
        staged.stage(change.key, change)
