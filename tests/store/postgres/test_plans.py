"""Query plans: no page of a list, and no read by key, scans a table."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.store.postgres import sql
from app.store.postgres.connections import Connection, connect
from app.store.postgres.store import PostgresStore
from tests.postgresql import empty
from tests.store.shop import COLLECTIONS

ORDERS = 20_000

_FILL = """
INSERT INTO daybook.orders (key, sort, terms, document) SELECT
    'id-' || n, to_char(n, 'FM000000'),
    jsonb_build_array(
        'number=' || n, CASE WHEN n %% 100 = 0 THEN 'status="a"' ELSE 'status="b"' END
    ),
    json_build_object('order_id', 'id-' || n)
FROM generate_series(1, %s) AS n
"""


@pytest.fixture(scope="module")
def connection(_database: str) -> Iterator[Connection]:
    """A connection of the store to a shop of many orders."""
    empty(_database)
    PostgresStore(_database, COLLECTIONS).close()
    with connect(_database, lock_timeout_s=5) as connection:
        connection.execute(_FILL, [ORDERS])
        connection.execute("VACUUM ANALYZE orders, orders_terms")
        yield connection


Plan = Callable[..., tuple[str, int]]


@pytest.fixture
def explain(connection: Connection) -> Plan:
    """A function that returns the plan of a statement, and the pages (8 KiB) that it reads."""

    def run(statement: bytes, parameters: Any) -> tuple[str, int]:
        query = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement
        row = connection.execute(query, parameters).fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        return str(plan), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    return run


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize(
    "filters",
    [[], [['status="b"']], [['status="a"']], [['status="a"', 'status="b"']],
     [['number=7777'], ['status="b"']], [['status="a"'], ['status="a"', 'status="b"']]],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("after", [None, "010000\x1fid-10000"])
def test_page_reads_little_and_scans_nothing(
    explain: Plan, filters: list[list[str]], after: str | None, *, is_descending: bool
) -> None:
    """Whatever the filters and wherever it begins, of 20,000 orders it reads some hundred pages."""
    statement = sql.find_statement("orders", len(filters), is_descending=is_descending)
    bounds = sql.parameters(filters, "", None, after, is_descending=is_descending)
    plan, pages = explain(statement, bounds | {"skip": 0, "limit": 21})
    assert "Seq Scan" not in plan
    assert pages < 400


def test_read_by_key_scans_nothing(explain: Plan) -> None:
    """It reads an index and one page; of documents that are read together, as much for each."""
    statements, several = sql.statements("orders"), [f"id-{n}" for n in range(7700, 7740)]
    for statement, keys, count in (
        (statements.get, "id-7777", 1),
        (statements.get_all, several, 40),
    ):
        plan, pages = explain(statement, [keys])
        assert "orders_key_idx" in plan  # spreads neighbouring keys over pages
        assert pages < 5 * count
