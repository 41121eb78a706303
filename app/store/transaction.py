"""Views and transactions over the state in memory."""

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import orjson
import uuid_utils

from app.store import Collection, Document, IndexValue, Page
from app.store.state import Change, State

COUNTERS = Collection(name="counters", key="name")
"""The store's own collection: the last number of each series, and the last id given out."""

_LAST_ID = "last_id"


class JsonView:
    """See app.store.View. The caller holds the memory lock."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, collection: str, key: str) -> Document | None:
        """See View.get."""
        raw = self._state.raw(collection, key)
        return None if raw is None else orjson.loads(raw)

    def find(
        self,
        collection: str,
        where: Mapping[str, IndexValue] | None = None,
        *,
        low: str = "",
        high: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        descending: bool = False,
    ) -> Page:
        """See View.find."""
        return self._state.find(collection, where or {}, low, high, after, limit, descending, {})

    def count(self, collection: str, where: Mapping[str, IndexValue] | None = None) -> int:
        """See View.count."""
        return self._state.count(collection, where or {})

    def keys(self, collection: str) -> Iterator[str]:
        """See View.keys."""
        return self._state.keys(collection)


class JsonTransaction(JsonView):
    """See app.store.Transaction. Changes are staged here as the JSON that will be stored."""

    def __init__(self, state: State, memory: threading.RLock) -> None:
        super().__init__(state)
        self._memory = memory
        self._staged: dict[str, dict[str, bytes | None]] = {}

    def get(self, collection: str, key: str) -> Document | None:
        """See View.get."""
        staged = self._staged.get(collection)
        if staged is not None and key in staged:
            raw = staged[key]
        else:
            with self._memory:
                raw = self._state.raw(collection, key)
        return None if raw is None else orjson.loads(raw)

    def find(
        self,
        collection: str,
        where: Mapping[str, IndexValue] | None = None,
        *,
        low: str = "",
        high: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        descending: bool = False,
    ) -> Page:
        """See View.find."""
        staged = {
            key: None if raw is None else orjson.loads(raw)
            for key, raw in self._staged.get(collection, {}).items()
        }
        with self._memory:
            return self._state.find(
                collection, where or {}, low, high, after, limit, descending, staged
            )

    def put(self, collection: str, document: Document) -> None:
        """See Transaction.put."""
        declared = self._state.collections[collection]
        if next(iter(document)) != declared.key:
            raise ValueError(f"a document of {collection} must begin with {declared.key!r}")
        self._stage(collection, document[declared.key], orjson.dumps(document))

    def delete(self, collection: str, key: str) -> None:
        """See Transaction.delete."""
        if self.get(collection, key) is not None:
            self._stage(collection, key, None)

    def new_id(self) -> str:
        """See Transaction.new_id."""
        last = self.get(COUNTERS.name, _LAST_ID)
        fresh = str(uuid_utils.uuid7())
        if last is not None and fresh <= last["value"]:
            fresh = str(uuid.UUID(int=uuid.UUID(last["value"]).int + 1))
        self.put(COUNTERS.name, {"name": _LAST_ID, "value": fresh})
        return fresh

    def next_number(self, series: str, first: int = 1) -> int:
        """See Transaction.next_number."""
        last = self.get(COUNTERS.name, series)
        number = int(last["value"]) + 1 if last else first
        self.put(COUNTERS.name, {"name": series, "value": number})
        return number

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """See Transaction.savepoint."""
        saved = {name: dict(staged) for name, staged in self._staged.items()}
        try:
            yield
        except BaseException:
            self._staged = saved
            raise

    def changes(self) -> list[Change]:
        """What the transaction did, for memory."""
        return [
            Change(name, key, raw, None if raw is None else orjson.loads(raw))
            for name, staged in self._staged.items()
            for key, raw in staged.items()
        ]

    def by_collection(self) -> tuple[dict[str, list[bytes]], dict[str, list[str]]]:
        """What the transaction did, for the journal: documents to put, and keys to delete."""
        put = {
            name: [raw for raw in staged.values() if raw is not None]
            for name, staged in self._staged.items()
        }
        delete = {
            name: [key for key, raw in staged.items() if raw is None]
            for name, staged in self._staged.items()
        }
        return (
            {name: raws for name, raws in put.items() if raws},
            {name: keys for name, keys in delete.items() if keys},
        )

    def _stage(self, collection: str, key: str, raw: bytes | None) -> None:
        self._staged.setdefault(collection, {})[key] = raw
