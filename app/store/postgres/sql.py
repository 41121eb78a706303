"""The SQL statements of one collection, and the terms under which its documents are found.

A *term* is the text of one index value, such as `status="paid"` or `number=1001`: the name of the
index, `=`, and the value in JSON. Texts are compared by their bytes in UTF-8 (collation "C"), which
is how Python compares them.
"""

import json
from collections.abc import Collection as Values
from functools import cache
from typing import Any, NamedTuple

import orjson
from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from app.store import Collection, Document, IndexValue, Where
from app.store.documents import SEPARATOR, key_of_document, refuse_non_numbers

_HIGHEST = "\U0010ffff"
"""Sorts behind every text of a document."""


class Statements(NamedTuple):
    """The statements of one collection that need no filter.

    `get_all` has a LIMIT so that it reads each document by the index, and never all of them.
    """

    get: bytes
    get_all: bytes
    put: bytes
    delete: bytes
    keys: bytes
    scan: bytes
    count_values: bytes
    capped_count: bytes


@cache
def statements(collection: str) -> Statements:
    """Return the statements of a collection."""

    def named(text: SQL) -> bytes:
        return text.format(**table_names(collection)).as_bytes(None)

    return Statements(
        get=named(SQL("SELECT document::text FROM {documents} WHERE key = %s")),
        get_all=named(
            SQL(
                "SELECT key, document::text FROM unnest(%b::text[]) AS wanted (key) CROSS JOIN "
                "LATERAL (SELECT document FROM {documents} AS found "
                "WHERE found.key = wanted.key LIMIT 1) AS found"
            )
        ),
        put=named(
            SQL(
                "INSERT INTO {documents} (key, sort, terms, document) SELECT * FROM "
                "unnest(%b::text[], %b::text[], %b::text[]::jsonb[], %b::text[]::json[]) "
                "ON CONFLICT (key) DO UPDATE "
                "SET sort = excluded.sort, terms = excluded.terms, document = excluded.document"
            )
        ),
        delete=named(SQL("DELETE FROM {documents} WHERE key = ANY(%b)")),
        keys=named(SQL("SELECT key FROM {documents} WHERE key > %s ORDER BY key LIMIT %s")),
        scan=named(
            SQL("SELECT document::text FROM {documents} WHERE key > %s ORDER BY key LIMIT %s")
        ),
        count_values=named(
            SQL("SELECT term, count(*) FROM {terms} WHERE term >= %s AND term < %s GROUP BY term")
        ),
        capped_count=named(
            SQL("SELECT count(*) FROM (SELECT FROM {terms} WHERE term = ANY(%s) LIMIT %s) AS few")
        ),
    )


@cache
def copy_statement(collection: str) -> bytes:
    """Return the statement that copies rows (see `Row`) into a table."""
    text = SQL("COPY {documents} (key, sort, terms, document) FROM STDIN")
    return text.format(**table_names(collection)).as_bytes(None)


_BOUNDS = SQL(
    "entry.sort >= %(low)s AND entry.sort <= %(high)s "
    "AND (entry.sort, entry.key) {beyond} (%(after_sort)s, %(after_key)s)"
)
_MATCHES_OTHER = SQL(
    "AND EXISTS (SELECT FROM {terms} AS other WHERE other.term = ANY({values}) "
    "AND other.sort = entry.sort AND other.key = entry.key) "
)
_PAGE_OF_ALL = SQL(
    "SELECT sort, key FROM {documents} AS entry WHERE {bounds} "
    "ORDER BY sort {order}, key {order} OFFSET %(skip)s LIMIT %(limit)s"
)
_PAGE_OF_TERMS = SQL(
    "SELECT DISTINCT entry.sort, entry.key FROM unnest(%(terms)s::text[]) AS wanted (term) "
    "CROSS JOIN LATERAL (SELECT sort, key FROM {terms} AS entry "
    "WHERE entry.term = wanted.term AND {bounds} {others}"
    "ORDER BY sort {order}, key {order} LIMIT %(skip)s + %(limit)s) AS entry "
    "ORDER BY sort {order}, key {order} OFFSET %(skip)s LIMIT %(limit)s"
)
_FIND = SQL(
    "WITH page AS MATERIALIZED ({page}) "
    "SELECT page.sort, page.key, document::text FROM page JOIN {documents} USING (key) "
    "ORDER BY page.sort {order}, page.key {order}"
)
_COUNT_ALL = SQL("SELECT count(*) FROM {documents} AS entry WHERE {bounds}")
_COUNT_TERMS = SQL(
    "SELECT count({counted}) FROM {terms} AS entry "
    "WHERE entry.term = ANY(%(terms)s) AND {bounds} {others}"
)


@cache
def find_statement(collection: str, filters: int, *, is_descending: bool) -> bytes:
    """Return the statement of View.find with so many filters; the first one is read."""
    order = SQL("DESC" if is_descending else "ASC")
    page = (_PAGE_OF_TERMS if filters else _PAGE_OF_ALL).format(
        **table_names(collection),
        bounds=_BOUNDS.format(beyond=SQL("<" if is_descending else ">")),
        others=_others(collection, filters),
        order=order,
    )
    return _FIND.format(**table_names(collection), page=page, order=order).as_bytes(None)


@cache
def count_statement(collection: str, filters: int, *, is_repeated: bool) -> bytes:
    """Return the statement of View.count with so many filters; the first one is read.

    `is_repeated` says that it has several terms, so a document may be there more than once.
    """
    text = _COUNT_TERMS if filters else _COUNT_ALL
    bounds, others = _BOUNDS.format(beyond=SQL(">")), _others(collection, filters)
    counted = SQL("DISTINCT entry.key" if is_repeated else "*")
    names = table_names(collection)
    return text.format(**names, counted=counted, bounds=bounds, others=others).as_bytes(None)


def _others(collection: str, filters: int) -> Composable:
    names = table_names(collection)
    return Composed(
        [_MATCHES_OTHER.format(**names, values=Placeholder(f"other{n}")) for n in range(1, filters)]
    )


def parameters(
    filters: list[list[str]], low: str, high: str | None, after: str | None, *, is_descending: bool
) -> dict[str, Any]:
    """Return the parameters of both statements, but for `skip` and `limit`."""
    end = (_HIGHEST, "", _HIGHEST) if is_descending else ("", "", "")
    sort, _, key = end if after is None else storable_part(after).rpartition(SEPARATOR)
    values: dict[str, Any] = {f"other{n}": terms for n, terms in enumerate(filters)}
    return values | {
        "terms": filters[0] if filters else [],
        "low": storable_part(low),
        "high": _HIGHEST if high is None else storable_part(high),
        "after_sort": sort,
        "after_key": key,
    }


def storable_part(text: str) -> str:
    """Return the part of a text before a NUL, which no text in PostgreSQL has."""
    return text.partition("\x00")[0]


class Row(NamedTuple):
    """The row of a document; terms and document are JSON."""

    key: str
    sort: str
    terms: str
    document: str


def row(collection: Collection, document: Document) -> Row:
    """Return the row of a document. Errors of the collection's functions pass through.

    Raises TypeError or ValueError for what cannot be stored.
    """
    key_of_document(collection, document)
    raw = orjson.dumps(document)
    stored = orjson.loads(raw)
    refuse_non_numbers(document, stored)
    return row_of_stored(collection, stored, raw)


def row_of_stored(collection: Collection, document: Document, raw: bytes) -> Row:
    """Return the row of a document as it is read back from its JSON, `raw`."""
    indexes = collection.indexes.items()
    terms = sorted({term(name, each) for name, read in indexes for each in read(document)})
    key, sort = document[collection.key], collection.sort(document)
    return Row(key, sort, orjson.dumps(terms).decode(), raw.decode())


def term(name: str, value: IndexValue) -> str:
    """Return the term of one index value. Raises TypeError for one that is neither text nor int."""
    if not isinstance(value, str | int):
        raise TypeError(f"an index value must be a text or a whole number, not {value!r}")
    # as in a dictionary, True is 1
    return (
        f"{name}={json.dumps(value if isinstance(value, str) else int(value), ensure_ascii=False)}"
    )


def value_of(term: str) -> IndexValue:
    """Return the index value of a term."""
    value: IndexValue = json.loads(term.partition("=")[2])
    return value


def filters_of(collection: Collection, where: Where) -> list[list[str]]:
    """Return the terms of each filter. Raises ValueError for a filter that is not indexed."""
    if not where and not collection.listed:
        raise ValueError(f"{collection.name} is not listed; it can be read by key or by an index")
    require_indexes(collection, (where or {}).keys())
    return [
        [term(name, each) for each in (value if isinstance(value, frozenset) else [value])]
        for name, value in (where or {}).items()
    ]


def require_indexes(collection: Collection, names: Values[str]) -> None:
    """Raise ValueError for an index that the collection does not have."""
    if unknown := set(names) - collection.indexes.keys():
        raise ValueError(f"{collection.name} has no index {', '.join(sorted(unknown))}")


def table_names(collection: str) -> dict[str, Identifier]:
    """Return the names of the tables that hold a collection's documents and their terms."""
    return {"documents": Identifier(collection), "terms": Identifier(f"{collection}_terms")}
