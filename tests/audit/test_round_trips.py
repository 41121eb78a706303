"""On PostgreSQL an audit reads in pages, so it takes few round trips."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app import COLLECTIONS
from app.audit import recompute
from app.config import Config
from app.server.migrations import MIGRATIONS, SCHEMA
from app.store.postgres.store import PostgresStore
from tests.over_http import place
from tests.store.postgres.proxy import proxy_to

MORE_ORDERS = 5


@pytest.fixture
def config(config: Config, postgresql_url: str) -> Config:
    """On PostgreSQL."""
    return replace(config, store=postgresql_url)


def test_more_orders_of_a_page_take_no_more_round_trips(
    config: Config, client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
) -> None:
    """Not one for each, whether they are open, cancelled or deleted."""

    def round_trips() -> int:
        with (
            proxy_to(config.store) as proxy,
            closing(
                PostgresStore(proxy.url, COLLECTIONS, schema=SCHEMA, migrations=MIGRATIONS)
            ) as store,
            store.read() as view,
        ):
            view.last_number("order")
            before = proxy.round_trips
            assert recompute(view).differences == []
            return proxy.round_trips - before

    place(client, tea=1)
    settled()
    with_one = round_trips()
    for _ in range(MORE_ORDERS):
        place(client, tea=1, mug=1)
    client.post("/order/1002/cancel")
    client.delete("/order/1003")
    settled()
    assert round_trips() < with_one + MORE_ORDERS
