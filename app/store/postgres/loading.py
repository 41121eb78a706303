"""Loads everything of another store into a database without a shop, in one transaction.

A process that is killed leaves nothing there. Until the transaction ends, no store opens on the
tables: it would wait for the lock of their migration.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import orjson
import psycopg
from psycopg import errors

from app.kernel.errors import Conflict, Invalid, Problem
from app.store import Collection, Contents, Document
from app.store.copying import Load, refuse_difference, scan_pages
from app.store.postgres import ids, sql
from app.store.postgres.connections import Connection, connect, translated, translated_errors
from app.store.postgres.schema import Migration, build_indexes, drop_indexes, prepare_tables
from app.store.postgres.session import UNLIMITED_IDLE
from app.store.postgres.transaction import COUNTERS

_STATEMENT_TIMEOUT_S = 3600
"""Longest time of one statement here: to index the largest collection."""

_SET_STATEMENT_TIMEOUT = b"SET LOCAL statement_timeout = %d" % (_STATEMENT_TIMEOUT_S * 1000)
_SET_LAST_DRAWN = b"SELECT setval('store_ids', %s)"
_SET_POSITION = b"UPDATE store_horizon SET changes = %s"


@contextmanager
def open_empty(
    url: str,
    collections: Iterable[Collection],
    lock_timeout_s: float,
    schema: int,
    migrations: Sequence[Migration],
) -> Iterator[Load]:
    """Create the tables, and yield a function that loads them.

    The function also raises Invalid, for a document that PostgreSQL cannot store.

    All of it is committed at the end of the block; when that raises, nothing is changed. Raises
    Conflict where there are documents, Damaged where a newer Daybook made the tables, StorageFull
    or Unavailable.
    """
    declared = (*collections, COUNTERS)
    with (
        translated_errors(),
        connect(url, lock_timeout_s) as connection,
        connection.transaction(),
    ):
        connection.execute(UNLIMITED_IDLE)
        connection.execute(_SET_STATEMENT_TIMEOUT)
        connection.response_timeout_s = _STATEMENT_TIMEOUT_S
        prepare_tables(connection, declared, schema, migrations)
        _refuse_filled(connection, declared)
        yield partial(_load, connection, declared[:-1])


def _refuse_filled(connection: Connection, collections: Iterable[Collection]) -> None:
    for each in collections:
        if connection.execute(sql.statements(each.name).scan, ["", 1]).fetchone():
            raise Conflict(
                f"The database has a shop already ({each.name}), and nothing is overwritten. Give "
                "an empty database; or remove its schema `daybook`, if that shop is not needed."
            )


def _load(
    connection: Connection,
    collections: Iterable[Collection],
    contents: Contents,
    advance: Callable[[int], None],
) -> int:
    documents = 0
    for each in collections:
        drop_indexes(connection, each.name)
        for page in scan_pages(contents.view, each.name):
            _copy(connection, each, page)
            documents += len(page)
            advance(len(page))
        build_indexes(connection, each.name)
    numbers = sorted(contents.numbers.items())
    counters = [{COUNTERS.key: series, "value": last} for series, last in numbers]
    if counters:
        _copy(connection, COUNTERS, counters)
    if contents.last_id:
        connection.execute(_SET_LAST_DRAWN, [ids.drawn_of(contents.last_id)])
    connection.execute(_SET_POSITION, [contents.position])
    return documents


def _copy(connection: Connection, collection: Collection, page: Sequence[Document]) -> None:
    """Copy documents, and compare them."""
    rows = [sql.row_of_stored(collection, each, orjson.dumps(each)) for each in page]
    try:
        with connection.cursor().copy(sql.copy_statement(collection.name)) as copy:
            for row in rows:
                copy.write_row(row)
    except (psycopg.DataError, errors.ProgramLimitExceeded) as error:
        text = f"{collection.name} from {rows[0].key} on: {translated(error)}."
        raise Invalid([Problem("", text)]) from error
    keys = [row.key for row in rows]
    stored = dict(connection.execute(sql.statements(collection.name).get_all, [keys]).fetchall())
    refuse_difference(collection.name, (row.document for row in rows), map(stored.get, keys))
