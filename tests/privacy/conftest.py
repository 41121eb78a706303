"""A shop with a customer whose data is wherever Daybook stores any, and searches for it there."""

import quopri
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.inventory.service import add_product
from app.kernel.money import Currency
from app.orders.documents import ORDERS
from app.orders.references import import_order
from app.orders.service import OrderPolicy, change_order
from app.server.runtime import Runtime
from tests.cli.conftest import flask as flask
from tests.conftest import CATALOGUE, settle
from tests.over_http import request_for
from tests.shipping.conftest import PARCEL
from tests.transactions import transaction

Settled = Callable[[], None]
POLICY = OrderPolicy(Currency("EUR"))

NAME, EMAIL, OLD_EMAIL = "Zébulon Quux", "zebulon@quux.example", "z.quux@old.example"
SECRETS = ("Zébulon", "Quux", "quux.example", "old.example", "Rue du Marais", "75003")
"""Parts of the customer's data; each may stand alone in a text or an address."""


ADDRESS = {"name": NAME, "lines": ["Rue du Marais 7"], "postal_code": "75003"}
FIRST = request_for(NAME, tea=1) | {
    "customer_email": OLD_EMAIL,
    "shipping_address": ADDRESS | {"city": "Paris", "country": "FR"},
}
"""The request for the first order."""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a customer's five orders, all ended: 1001 to 1005.

    1001 was shipped, 1002 cancelled, 1003 deleted, 1004 imported, changed many times and cancelled;
    the mail about the end of 1005 has failed for good.
    """
    folder = tmp_path_factory.mktemp("model") / "data"
    app = create_app(settings(folder))
    runtime: Runtime = app.extensions["daybook"]
    with transaction(runtime.store) as tx:
        for product in CATALOGUE:
            add_product(tx, dict(product))
    _trade(app.test_client(), runtime)
    runtime.close()
    return folder


@pytest.fixture
def config(tmp_path: Path, model: Path) -> Config:
    """The settings of a copy of the model."""
    copytree(model, tmp_path / "data")
    return settings(tmp_path / "data")


def settings(folder: Path) -> Config:
    """With fault switches, and the shop's address for links in mails."""
    return Config(data=folder, retry_wait=0.001, faults=True, url="https://shop.example")


def order_again(client: FlaskClient) -> None:
    """Place one more order of the customer."""
    asked = request_for(NAME, tea=1) | {"customer_email": EMAIL}
    assert client.post("/order", json=asked).status_code == 201


def _trade(client: FlaskClient, runtime: Runtime) -> None:
    key = {"Idempotency-Key": "first"}
    assert client.post("/order", json=FIRST, headers=key).status_code == 201
    settle(runtime)
    client.patch("/order/1001", json={"customer_email": EMAIL})
    settle(runtime)
    assert client.post("/shipment/1001/ship", json=PARCEL, headers=key).status_code == 200
    order_again(client)
    client.post("/order/1002/cancel", json={"reason": "her mother fell ill"})
    order_again(client)
    client.delete("/order/1003")
    with transaction(runtime.store) as tx:
        request = request_for(NAME, tea=1) | {"customer_email": EMAIL}
        import_order(tx, POLICY, f"old shop, {EMAIL}", request, None)
        for quantity in range(2, 25):
            change_order(tx, POLICY, "1004", {"items": request_for(tea=quantity)["items"]})
    settle(runtime)
    client.post("/order/1004/cancel")
    order_again(client)
    settle(runtime)
    client.put("/fault/notification", json={"mode": "reject"})
    client.post("/order/1005/cancel", json={"reason": "told by telephone"})
    settle(runtime)
    client.delete("/fault/notification")


def mentions(folder: Path, *texts: str) -> set[str]:
    """The files in which one of the texts occurs, in any case; mails are decoded."""
    pattern = re.compile("|".join(map(re.escape, texts)), re.IGNORECASE)
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(pattern.search(text) for text in _texts(path))
    }


def everywhere(runtime: Runtime) -> list[dict[str, Any]]:
    """The orders as the store has them."""
    with runtime.store.read() as view:
        return view.find(ORDERS.name).documents


def _texts(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    for each in (content, quopri.decodestring(content)):
        yield each.decode("utf-8", "replace")
