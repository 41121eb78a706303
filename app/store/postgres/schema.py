"""The tables of the store: created and migrated when it is opened, by one process at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from psycopg.sql import SQL, Composed, Identifier, Literal

from app.kernel.errors import Damaged
from app.store import SHARDS, Collection, Document
from app.store.postgres import sql
from app.store.postgres.connections import SCHEMA, Connection

Migration = Mapping[str, Callable[[Document], Document]]
"""For each collection concerned, the function from a document as it was to one as it is now."""

LAYOUT = 2
"""The version of the tables that this Daybook works with."""

MIGRATION_BATCH_SIZE = 500

_LOCKS = 0x4461_7962
"""The first half of the keys of the store's advisory locks: "Dayb"."""

MIGRATING, DRAWING, LEASING = ((_LOCKS, number) for number in range(3))
"""The keys of advisory locks. Those of one half only are the numbers drawn for ids."""

_STORE = SQL("""
CREATE TABLE store_settings (name text PRIMARY KEY, value json NOT NULL);
CREATE TABLE store_turn ();
CREATE TABLE store_changes (
    token uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    keys json NOT NULL
);
CREATE INDEX ON store_changes (xid);
CREATE TABLE store_horizon (counted xid8 NOT NULL, changes bigint NOT NULL, removed xid8 NOT NULL);
INSERT INTO store_horizon VALUES ('0', 0, '0');
CREATE SEQUENCE store_ids MINVALUE 0;

CREATE FUNCTION draw_id() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE drawn bigint;
BEGIN
    PERFORM pg_advisory_lock({drawing});
    drawn := greatest(
        coalesce(pg_sequence_last_value('store_ids'), 0) + 1,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint << 12
    );
    PERFORM setval('store_ids', drawn);
    PERFORM pg_advisory_xact_lock_shared(drawn);
    PERFORM pg_advisory_unlock({drawing});
    RETURN drawn;
END $$;

CREATE FUNCTION id_horizon() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE lowest bigint;
BEGIN
    PERFORM pg_advisory_lock({drawing});
    SELECT coalesce(
        min(classid::bigint << 32 | objid::bigint), pg_sequence_last_value('store_ids') + 1, 0
    ) INTO lowest FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND objsubid = 1;
    PERFORM pg_advisory_unlock({drawing});
    RETURN lowest;
END $$;

CREATE FUNCTION last_number(series text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        pg_sequence_last_value(to_regclass(quote_ident('number_' || series))),
        (SELECT (document ->> 'value')::bigint FROM counters WHERE key = series),
        0
    )
$$;

CREATE FUNCTION next_number(series text) RETURNS bigint LANGUAGE sql AS $$
    SELECT nextval(quote_ident('number_' || series)::regclass)
$$;

CREATE FUNCTION begin_series(series text, first bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({migrating});
    EXECUTE format(
        'CREATE SEQUENCE IF NOT EXISTS %I START %s',
        'number_' || series, greatest(first, last_number(series) + 1)
    );
END $$;
""")

_LEASES = SQL("""
CREATE TABLE store_workers (
    worker text PRIMARY KEY,
    beat bigint NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE store_shards (
    shard integer PRIMARY KEY,
    worker text REFERENCES store_workers ON DELETE SET NULL
);
INSERT INTO store_shards SELECT generate_series(0, {shards} - 1);
""")
"""Since version 2 of the tables."""

_COLLECTION = SQL("""
CREATE TABLE {documents} (
    key text COLLATE "C" PRIMARY KEY,
    sort text COLLATE "C" NOT NULL,
    terms jsonb NOT NULL,
    document json NOT NULL
);
CREATE TABLE {terms} (
    term text COLLATE "C",
    sort text COLLATE "C",
    key text COLLATE "C",
    PRIMARY KEY (term, sort, key)
);
CREATE FUNCTION {keep_terms}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone text[] := ARRAY(SELECT jsonb_array_elements_text(OLD.terms));
    added text[] := ARRAY(SELECT jsonb_array_elements_text(NEW.terms));
BEGIN
    IF OLD.sort = NEW.sort THEN
        gone := ARRAY(SELECT unnest(gone) EXCEPT SELECT jsonb_array_elements_text(NEW.terms));
        added := ARRAY(SELECT unnest(added) EXCEPT SELECT jsonb_array_elements_text(OLD.terms));
    END IF;
    IF gone <> '{{}}' THEN
        DELETE FROM {terms} WHERE term = ANY(gone) AND sort = OLD.sort AND key = OLD.key;
    END IF;
    IF added <> '{{}}' THEN
        INSERT INTO {terms} SELECT unnest(added), NEW.sort, NEW.key;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER added AFTER INSERT ON {documents} FOR EACH ROW EXECUTE FUNCTION {keep_terms}();
CREATE TRIGGER moved AFTER UPDATE ON {documents} FOR EACH ROW
    WHEN (OLD.sort <> NEW.sort OR OLD.terms <> NEW.terms) EXECUTE FUNCTION {keep_terms}();
CREATE TRIGGER removed AFTER DELETE ON {documents} FOR EACH ROW EXECUTE FUNCTION {keep_terms}();
""")

_INDEXES = SQL("""
CREATE INDEX {by_sort} ON {documents} (sort, key);
CREATE INDEX {by_key} ON {documents} USING hash (key) WITH (fillfactor = 10);
""")
_DROP_INDEXES = SQL("""
ALTER TABLE {documents} DISABLE TRIGGER added;
DROP INDEX {by_sort}, {by_key};
""")
_FILL_TERMS = SQL("""
INSERT INTO {terms} SELECT term, sort, key
FROM {documents}, jsonb_array_elements_text(terms) AS term ORDER BY term COLLATE "C", sort, key;
ALTER TABLE {documents} ENABLE TRIGGER added;
""")


def prepare_tables(
    connection: Connection,
    collections: Iterable[Collection],
    schema: int,
    migrations: Sequence[Migration],
) -> None:
    """Create what is missing, and migrate older documents to version `schema`, all or nothing.

    `migrations[n]` leads from version n of the documents to version n + 1. Raises Damaged where a
    newer Daybook made the tables.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", MIGRATING)
        connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(SCHEMA)))
        declared = {each.name: each for each in collections}
        exists = _has_table(connection, "store_settings")
        settings = _settings(connection) if exists else {"layout": LAYOUT, "documents": schema}
        if settings["layout"] > LAYOUT or settings["documents"] > schema:
            raise Damaged(
                "A newer version of Daybook made the tables of this database; start that version."
            )
        for name in declared:
            if not _has_table(connection, name):
                for script in (_COLLECTION, _INDEXES):
                    connection.execute(script.format(**_names(name)))
        if not exists:
            keys = {"drawing": _pair(DRAWING), "migrating": _pair(MIGRATING)}
            connection.execute(_STORE.format(**keys))
        if not _has_table(connection, "store_shards"):
            connection.execute(_LEASES.format(shards=Literal(SHARDS)))
        for changes in migrations[settings["documents"] : schema]:
            for name, change in changes.items():
                _migrate(connection, declared[name], change)
        now = {"layout": LAYOUT, "documents": schema}
        _save(connection, now | {"indexes": _reindex(connection, declared, settings)})


def drop_indexes(connection: Connection, collection: str) -> None:
    """Index nothing in a table without documents, until `build_indexes`."""
    connection.execute(_DROP_INDEXES.format(**_names(collection)))


def build_indexes(connection: Connection, collection: str) -> None:
    """Index all documents of a table at once: much faster than one after another."""
    for script in (_INDEXES, _FILL_TERMS):
        connection.execute(script.format(**_names(collection)))


def _names(collection: str) -> dict[str, Identifier]:
    return sql.table_names(collection) | {
        "keep_terms": Identifier(f"{collection}_keep_terms"),
        "by_sort": Identifier(f"{collection}_sort_key_idx"),
        "by_key": Identifier(f"{collection}_key_idx"),
    }


def _has_table(connection: Connection, name: str) -> bool:
    table = connection.execute("SELECT to_regclass(quote_ident(%s))", [name]).fetchone()
    return table != (None,)


def _settings(connection: Connection) -> dict[str, Any]:
    return dict(connection.execute("SELECT name, value FROM store_settings").fetchall())


def _save(connection: Connection, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        connection.execute(
            "INSERT INTO store_settings VALUES (%s, %s) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, orjson.dumps(value).decode()],
        )


def _reindex(
    connection: Connection, declared: Mapping[str, Collection], settings: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Index the documents of each collection again whose indexes have other names than before.

    Returns the names of all indexes.
    """
    before: dict[str, list[str]] = settings.get("indexes", {})
    names = {name: sorted(each.indexes) for name, each in declared.items()}
    for name, each in declared.items():
        if before.get(name, names[name]) != names[name]:
            _migrate(connection, each, lambda document: document)
    return before | names


def _migrate(
    connection: Connection, collection: Collection, change: Callable[[Document], Document]
) -> None:
    """Change every document of a collection."""
    statements, after = sql.statements(collection.name), ""
    while rows := connection.execute(statements.scan, [after, MIGRATION_BATCH_SIZE]).fetchall():
        documents = [change(orjson.loads(raw)) for (raw,) in rows]
        entries = [sql.row(collection, each) for each in documents]
        connection.execute(statements.put, [list(column) for column in zip(*entries, strict=True)])
        after = documents[-1][collection.key]


def _pair(key: tuple[int, int]) -> Composed:
    return SQL("{}, {}").format(*map(Literal, key))
