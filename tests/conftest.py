"""What every test may ask for: the real application on a folder of its own.

A module that wants other settings overrides `config`, and gets `app` and `client` to match.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import freezegun
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.events.outbox import DEAD, OUTBOX, PENDING
from app.inventory.service import add_product
from app.orders.service import ORDERS, tell_deletion
from app.server.runtime import Runtime
from app.store import View

# what waits for locks and for changes measures real time: frozen, it would wait for ever
freezegun.configure(extend_ignore_list=["filelock", "app.store"])

PATIENCE_S = 60.0

CATALOGUE = (
    {"sku": "tea", "name": "Assam, 100 g", "price": "4.50", "quantity": 100, "category": "tea"},
    {"sku": "mug", "name": "Mug", "price": "12.00", "quantity": 10, "low_stock_threshold": 3},
    {"sku": "pot", "name": "Teapot", "price": "30.00", "quantity": 1, "backorder": True},
    {"sku": "tin", "name": "Tea tin", "price": "8.25", "quantity": 0},
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The default settings, with a fresh data folder and retries that do not dawdle."""
    return Config(data=tmp_path / "data", retry_wait=0.001)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The application as create_app makes it; its store and dispatcher end with the test."""
    app = create_app(config)
    yield app
    app.extensions["daybook"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application; its first request starts the deliveries."""
    return app.test_client()


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    """What lives in the test's process: the store, and the dispatcher once it was started."""
    runtime: Runtime = app.extensions["daybook"]
    return runtime


@pytest.fixture
def catalogue(runtime: Runtime) -> dict[str, str]:
    """Four products: plenty of tea, few mugs, one teapot with back-orders, no tins. Sku → price."""
    with runtime.transaction() as tx:
        for product in CATALOGUE:
            add_product(tx, dict(product))
    return {str(product["sku"]): str(product["price"]) for product in CATALOGUE}


@pytest.fixture
def take_out(runtime: Runtime) -> Callable[[str], None]:
    """A function that takes an order out of orders.json, whatever has become of it.

    As a person does with an editor; `flask check --repair` then tells everybody.
    """

    def remove(order_id: str) -> None:
        with runtime.transaction() as tx:
            tx.delete(ORDERS.name, order_id)
            tell_deletion(tx, order_id)

    return remove


@pytest.fixture
def settled(runtime: Runtime) -> Callable[[], None]:
    """A function that waits until every event reached its handlers, or waits behind a failure."""

    def wait() -> None:
        runtime.start()
        feed = runtime.store.follow(OUTBOX.name)
        deadline = monotonic() + PATIENCE_S
        while True:
            with runtime.read() as view:
                on_their_way = _pending(view)
            if not on_their_way:
                return
            assert monotonic() < deadline, f"still on their way: {on_their_way[:5]}"
            feed.take(timeout_s=0.25)

    return wait


def _pending(view: View) -> list[tuple[str, str, str]]:
    """(subject, event type, handler) of every delivery that is not through and not held up."""
    held_up, pending = set(), []
    for record in view.find(OUTBOX.name).documents:
        subject = record["event"]["subject"]
        for handler, delivery in record["deliveries"].items():
            if delivery["state"] == DEAD:
                held_up.add((subject, handler))
            elif delivery["state"] == PENDING and (subject, handler) not in held_up:
                pending.append((subject, record["event"]["type"], handler))
    return pending
