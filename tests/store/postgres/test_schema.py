"""The tables: created once, migrated, refused when they are newer."""

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from app.kernel.errors import Damaged
from app.store import ALL_SHARDS, Document
from app.store.postgres.store import PostgresStore
from tests.store.conftest import Together
from tests.store.shop import NOTES, ORDERS, all_orders, ids, order, put_orders

OpenPostgres = Callable[..., PostgresStore]


def test_processes_may_open_a_new_database_together(
    open_postgres: OpenPostgres, together: Together
) -> None:
    """One creates the tables while the others wait."""
    stores = together([open_postgres] * 4)
    put_orders(stores[0], order("a"))
    assert list(all_orders(stores[3])) == ["a"]


def test_older_documents_are_migrated(open_postgres: OpenPostgres) -> None:
    """Once, with their index entries."""
    put_orders(open_postgres(), order("a", status="new"), order("b", status="paid"))

    def rename(document: Document) -> Document:
        return document | {"status": document["status"].replace("new", "placed") + "!"}

    for _ in range(2):
        store = open_postgres(schema=1, migrations=[{"orders": rename}])
        with store.read() as view:
            assert ids(view.find("orders", {"status": "placed!"}).documents) == ["a"]
            assert view.count("orders", {"status": "new"}) == 0


def test_newer_documents_are_refused(open_postgres: OpenPostgres) -> None:
    """An older Daybook changes nothing."""
    open_postgres(schema=2)
    with pytest.raises(Damaged, match="A newer version of Daybook"):
        open_postgres(schema=1)


def test_newer_tables_are_refused(open_postgres: OpenPostgres, postgresql_url: str) -> None:
    """As newer documents are."""
    open_postgres()
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("UPDATE daybook.store_settings SET value = '99' WHERE name = 'layout'")
    with pytest.raises(Damaged, match="A newer version of Daybook"):
        open_postgres()


def test_tables_of_layout_1_get_shards(open_postgres: OpenPostgres, postgresql_url: str) -> None:
    """Its documents stay; it had one leader, by an advisory lock."""
    put_orders(open_postgres(), order("a"))
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("DROP TABLE daybook.store_shards, daybook.store_workers")
        connection.execute("UPDATE daybook.store_settings SET value = '1' WHERE name = 'layout'")
    store = open_postgres()
    assert store.lease_shards() == ALL_SHARDS
    assert list(all_orders(store)) == ["a"]


def test_new_index_has_the_documents_from_before(open_postgres: OpenPostgres) -> None:
    """A collection with other indexes than before is indexed again."""
    put_orders(open_postgres(), order("a"), order("b", total="2"))
    by_total = replace(ORDERS, indexes={"total": lambda document: [document["total"]]})
    store = open_postgres(collections=(by_total, NOTES))
    with store.read() as view:
        assert ids(view.find("orders", {"total": "2"}).documents) == ["b"]
