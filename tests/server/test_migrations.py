"""Data folders of older versions open, and their documents are migrated."""

from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.config import Config
from app.server.migrations import MIGRATIONS, SCHEMA
from app.store import Collection, Document
from app.store.files.store import JsonFileStore
from tests.transactions import transaction

ORDER: Document = {
    "order_id": "01900000-0000-7000-8000-000000000001",
    "number": 1001,
    "customer_name": "Ada",
    "customer_email": "ada@example.org",
    "items": [
        {"product": "tea", "name": "Assam", "quantity": 2, "amount": "4.50", "line_total": "9.00"}
    ],
    "currency": "EUR",
    "total_amount": "9.00",
    "status": "confirmed",
    "payment_method": "invoice",
    "payment_status": "pending",
    "order_date": "2026-01-02T10:00:00.000Z",
    "order_update": "2026-01-02T10:00:00.000Z",
    "version": 1,
    "history": [{"at": "2026-01-02T10:00:00.000Z", "event": "confirmed", "detail": ""}],
}
PRODUCT: Document = {
    "sku": "tea",
    "name": "Assam",
    "category": "tea",
    "price": "4.50",
    "quantity": 10,
    "reserved": 0,
    "available": 10,
    "low_stock_threshold": 0,
    "backorder": False,
    "stock_status": "in_stock",
    "updated": "2026-01-02T10:00:00.000Z",
    "version": 1,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the first version: its products have no `archived`, its orders no `link`."""
    folder = tmp_path / "data"
    store = JsonFileStore(folder, [Collection("orders", "order_id"), Collection("products", "sku")])
    with transaction(store) as tx:
        tx.put("orders", ORDER)
        tx.put("products", PRODUCT)
        for _ in range(1001):
            tx.next_number("order")
    store.close()
    return folder


@pytest.fixture
def app(folder: Path) -> Flask:
    return create_app(Config(data=folder))


def test_a_folder_of_the_first_version_opens(app: Flask, folder: Path) -> None:
    """Its products are in the catalogue, and its orders have a page for their customers."""
    client = app.test_client()
    (product,) = client.get("/product").get_json()["products"]
    assert (product["sku"], product["archived"]) == ("tea", False)
    assert client.get("/order/1001").get_json()["customer_name"] == "Ada"
    with app.extensions["daybook"].store.read() as view:
        order = view.get("orders", ORDER["order_id"])
    assert client.get(f"/orders/{order['link']}").status_code == 200
    assert (folder / f"before-upgrade-to-{SCHEMA}/orders.json").exists()
    app.extensions["daybook"].close()


@pytest.mark.parametrize("document", [ORDER, PRODUCT], ids=["order", "product"])
def test_a_migration_step_is_idempotent(document: Document) -> None:
    """An interrupted upgrade starts again from the first step."""
    name = "orders" if "order_id" in document else "products"
    for migrate in (step[name] for step in MIGRATIONS if name in step):
        upgraded = migrate(document)
        assert migrate(upgraded) == upgraded != document
