"""Views and transactions of the PostgreSQL store.

A transaction keeps its changes until a search needs them in the tables, or until it commits: then
they are sent together, one statement for each collection. Documents that it reads are kept, too,
since a snapshot never changes.
"""

import secrets
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import orjson

from app.store import Collection, Document, IndexValue, Page, Place, Where
from app.store.documents import SEPARATOR
from app.store.postgres import ids, sql
from app.store.postgres.session import NOTIFY, Rows, Session, Statement

COUNTERS = Collection(name="counters", key="name")
"""The store's own collection: the last number issued in each series without gaps."""

KEYS_BATCH_SIZE = 1000
"""Keys that `View.keys` fetches at once."""

CAPPED_COUNT = 1000
"""How far the matches of each filter are counted to find the filter with the fewest."""

_RECORD_CHANGES = b"INSERT INTO store_changes (token, keys) VALUES (%s, %s)"
_COMMIT: tuple[Statement, Statement] = ((b"COMMIT", None), (NOTIFY, None))
"""The notification is a transaction of its own: NOTIFY in a transaction that writes has all of
them commit one after another."""


class _Layer:
    """The changes since a savepoint, or since the transaction began.

    A deleted document is None. `unsent` are the changes that the tables do not have; `is_sent` says
    that the savepoint was set there.
    """

    def __init__(self) -> None:
        self.changes: dict[Place, sql.Row | None] = {}
        self.unsent: dict[Place, sql.Row | None] = {}
        self.is_sent = False


class PostgresView:
    """See app.store.View."""

    def __init__(self, session: Session, collections: Mapping[str, Collection]) -> None:
        self._session = session
        self._collections = collections
        self._read: dict[Place, str | None] = {}
        """Documents as the snapshot has them: those last prefetched; all in a transaction."""

    def get(self, collection: str, key: str) -> Document | None:
        """See View.get."""
        raw = self._raw(collection, key)
        return None if raw is None else orjson.loads(raw)

    def prefetch(self, places: Iterable[Place]) -> None:
        """See View.prefetch."""
        wanted = dict.fromkeys(places)
        self._read = {each: raw for each, raw in self._read.items() if each in wanted}
        self._fetch(each for each in wanted if each not in self._read)

    def find(
        self,
        collection: str,
        where: Where = None,
        *,
        low: str = "",
        high: str | None = None,
        after: str | None = None,
        skip: int = 0,
        limit: int | None = None,
        descending: bool = False,
    ) -> Page:
        """See View.find."""
        filters = self._rarest_first(collection, where)
        statement = sql.find_statement(collection, len(filters), is_descending=descending)
        bounds = sql.parameters(filters, low, high, after, is_descending=descending)
        last = None if limit is None else limit + 1
        rows = self._search(statement, bounds | {"skip": skip, "limit": last})
        page = rows[:limit]
        has_more = len(rows) > len(page) > 0
        cursor = f"{page[-1][0]}{SEPARATOR}{page[-1][1]}" if has_more else None
        return Page([orjson.loads(raw) for _, _, raw in page], cursor)

    def count(
        self, collection: str, where: Where = None, *, low: str = "", high: str | None = None
    ) -> int:
        """See View.count."""
        filters = self._rarest_first(collection, where)
        is_repeated = bool(filters) and len(filters[0]) > 1
        statement = sql.count_statement(collection, len(filters), is_repeated=is_repeated)
        bounds = sql.parameters(filters, low, high, None, is_descending=False)
        return int(self._search(statement, bounds)[0][0])

    def count_values(self, collection: str, index: str) -> dict[IndexValue, int]:
        """See View.count_values."""
        sql.require_indexes(self._collections[collection], {index})
        rows = self._search(sql.statements(collection).count_values, (f"{index}=", f"{index}>"))
        return {sql.value_of(term): count for term, count in rows}

    def keys(self, collection: str) -> Iterator[str]:
        """See View.keys."""
        after = ""
        while rows := self._search(sql.statements(collection).keys, (after, KEYS_BATCH_SIZE)):
            yield from (key for (key,) in rows)
            after = rows[-1][0]

    def scan(self, collection: str, after: str, limit: int) -> list[Document]:
        """See View.scan."""
        bounds = sql.storable_part(after), limit
        rows = self._search(sql.statements(collection).scan, bounds)
        return [orjson.loads(raw) for (raw,) in rows]

    def last_number(self, series: str) -> int:
        """See View.last_number."""
        return int(self._search(b"SELECT last_number(%s)", (series,))[0][0])

    def _fetch(self, places: Iterable[Place]) -> None:
        """Add documents to `_read`; one statement reads all of a collection."""
        places, keys = list(places), defaultdict[str, list[str]](list)
        for collection, key in places:
            if "\x00" not in key:
                keys[collection].append(key)
        gets = [(sql.statements(name).get_all, (wanted,)) for name, wanted in keys.items()]
        found = self._session.flight(gets)[-len(gets) :] if gets else []
        self._read |= dict.fromkeys(places)
        for collection, rows in zip(keys, found, strict=True):
            self._read |= {(collection, key): raw for key, raw in rows}

    def _raw(self, collection: str, key: str) -> str | None:
        """The JSON of a document, or None."""
        if (collection, key) in self._read:
            return self._read[collection, key]
        if "\x00" in key:
            return None
        rows = self._session.query(sql.statements(collection).get, (key,))
        return rows[0][0] if rows else None

    def _search(self, statement: bytes, parameters: Any) -> Rows:
        return self._flight([(statement, parameters)])[0]

    def _flight(self, statements: list[Statement]) -> list[Rows]:
        """Send searches, and return the rows of each."""
        return self._session.flight(statements)

    def _rarest_first(self, collection: str, where: Where) -> list[list[str]]:
        """The terms of each filter; first those of the filter with the fewest matches."""
        filters = sql.filters_of(self._collections[collection], where)
        if len(filters) < 2:
            return filters
        count = sql.statements(collection).capped_count
        counted = self._flight([(count, (terms, CAPPED_COUNT)) for terms in filters])
        counts = [rows[0][0] for rows in counted]
        return [terms for _, terms in sorted(zip(counts, filters, strict=True))]


class PostgresTransaction(PostgresView):
    """See app.store.Transaction. `begin_series` creates the sequence of a series with gaps."""

    def __init__(
        self,
        session: Session,
        collections: Mapping[str, Collection],
        begin_series: Callable[[str, int], None],
    ) -> None:
        super().__init__(session, collections)
        self._begin_series = begin_series
        self._layers = [_Layer()]
        self._last_id = 0
        self._issued: set[str] = set()

    def prefetch(self, places: Iterable[Place]) -> None:
        """See View.prefetch."""
        self._fetch([each for each in dict.fromkeys(places) if not self._is_known(each)])

    def put(self, collection: str, document: Document) -> None:
        """See Transaction.put."""
        row = sql.row(self._collections[collection], document)
        self._stage((collection, row.key), row)

    def delete(self, collection: str, key: str) -> None:
        """See Transaction.delete."""
        if self._raw(collection, key) is not None:
            self._stage((collection, key), None)

    def new_id(self) -> str:
        """See Transaction.new_id. The first one is drawn when the transaction begins."""
        self._begin()
        self._last_id = self._last_id or ids.first_id(self._session.first_rows[-1][0][0])
        self._last_id += 1 + secrets.randbits(ids.STEP_BITS)
        issued = str(uuid.UUID(int=self._last_id))
        self._issued.add(issued)
        return issued

    def next_number(self, series: str, first: int = 1, *, has_gaps: bool = False) -> int:
        """See Transaction.next_number."""
        if has_gaps:
            self._begin_series(series, first)
            return int(self._session.query(b"SELECT next_number(%s)", (series,))[0][0])
        counter = self.get(COUNTERS.name, series)
        number = counter["value"] + 1 if counter else first
        self.put(COUNTERS.name, {"name": series, "value": number})
        return number

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """See Transaction.savepoint."""
        layer = _Layer()
        self._layers.append(layer)
        name = b"s%d" % (len(self._layers) - 1)
        try:
            yield
        except BaseException:
            self._layers.pop()
            if layer.is_sent:
                self._session.send_later((b"ROLLBACK TO " + name, None))
                self._session.send_later((b"RELEASE " + name, None))
            raise
        self._layers.pop()
        if layer.is_sent:
            self._session.send_later((b"RELEASE " + name, None))
        self._layers[-1].changes |= layer.changes
        self._layers[-1].unsent |= layer.unsent

    def commit(self, token: uuid.UUID) -> bool:
        """Commit, and record the changed keys under `token`; returns whether there were any.

        Raises as Session.flight does; where the connection is lost, the outcome is unknown.
        """
        if not (self._session.has_begun or self._layers[0].changes):
            return False
        self._begin()
        record: list[Statement] = []
        if changed := list(self._layers[0].changes):
            record.append((_RECORD_CHANGES, (token, orjson.dumps(changed).decode())))
        commit = _COMMIT if changed else _COMMIT[:1]
        self._session.flight([*self._unsent(), *record, *commit])
        return bool(changed)

    def _begin(self) -> None:
        if not self._session.has_begun:
            self._session.flight([])

    def _is_known(self, place: Place) -> bool:
        """Whether `_raw` has the document without asking."""
        is_changed = any(place in layer.changes for layer in self._layers)
        is_read = place in self._read or "\x00" in place[1]
        return is_changed or is_read or place[1] in self._issued

    def _raw(self, collection: str, key: str) -> str | None:
        place = collection, key
        for layer in reversed(self._layers):
            if place in layer.changes:
                row = layer.changes[place]
                return row and row.document
        if key in self._issued:
            return None  # no other transaction can know it; a read would conflict with theirs
        self._read[place] = super()._raw(collection, key)
        return self._read[place]

    def _flight(self, statements: list[Statement]) -> list[Rows]:
        """See PostgresView. A search has to find what was put, so that is sent first."""
        return self._session.flight([*self._unsent(), *statements])[-len(statements) :]

    def _stage(self, place: Place, row: sql.Row | None) -> None:
        layer = self._layers[-1]
        layer.changes[place] = layer.unsent[place] = row

    def _unsent(self) -> Iterator[Statement]:
        """The statements that bring the tables up to date; those of a savepoint behind it."""
        if not any(layer.unsent for layer in self._layers):
            return
        for depth, layer in enumerate(self._layers):
            if depth and not layer.is_sent:
                layer.is_sent = True
                yield b"SAVEPOINT s%d" % depth, None
            yield from _writes(layer.unsent)
            layer.unsent = {}


def _writes(changes: Mapping[Place, sql.Row | None]) -> Iterator[Statement]:
    """The statements that write changes, in the order of collections and keys.

    The same order in every transaction: two of them then seldom deadlock.
    """
    put: defaultdict[str, list[sql.Row]] = defaultdict(list)
    deleted: defaultdict[str, list[str]] = defaultdict(list)
    for (collection, key), row in sorted(changes.items(), key=itemgetter(0)):
        if row is None:
            deleted[collection].append(key)
        else:
            put[collection].append(row)
    for collection in sorted(put.keys() | deleted.keys()):
        statements = sql.statements(collection)
        if collection in deleted:
            yield statements.delete, (deleted[collection],)
        if collection in put:
            columns = zip(*put[collection], strict=True)
            yield statements.put, [list(column) for column in columns]
