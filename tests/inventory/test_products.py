"""Products over HTTP: what they say, and how they are found."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.inventory.service import add_product
from tests.over_http import place, read


def test_a_product_has_every_field_of_its_own(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """All fields of DESIGN section 3."""
    product = read(client, "/product/mug")
    assert product.pop("updated").endswith("Z")
    assert product == {
        "sku": "mug",
        "name": "Mug",
        "category": "",
        "price": "12.00",
        "quantity": 10,
        "reserved": 0,
        "available": 10,
        "low_stock_threshold": 3,
        "backorder": False,
        "stock_status": "in_stock",
        "archived": False,
        "changed_by": "command",
        "version": 1,
    }


@pytest.mark.parametrize(
    ("ordered", "available", "status"),
    [(6, 4, "in_stock"), (7, 3, "low_stock"), (9, 1, "low_stock"), (10, 0, "out_of_stock")],
)
def test_the_stock_status_follows_what_is_available(
    client: FlaskClient,
    catalogue: dict[str, str],
    settled: Callable[[], None],
    ordered: int,
    available: int,
    status: str,
) -> None:
    """Low from the threshold down, out at nothing; quantity on hand stays as it is."""
    place(client, mug=ordered)
    settled()
    product = read(client, "/product/mug")
    assert (product["quantity"], product["reserved"]) == (10, ordered)
    assert (product["available"], product["stock_status"]) == (available, status)


@pytest.mark.parametrize(
    ("query", "skus"),
    [
        ("", ["mug", "pot", "tea", "tin"]),
        ("category=tea", ["tea"]),
        ("category=Tea", []),
        ("stock_status=out_of_stock", ["tin"]),
        ("stock_status=in_stock", ["mug", "pot", "tea"]),
        ("stock_status=in_stock&category=tea", ["tea"]),
    ],
)
def test_filters_find_what_they_say(
    client: FlaskClient, catalogue: dict[str, str], query: str, skus: list[str]
) -> None:
    """Each alone and together, by sku."""
    found = read(client, f"/product?{query}")
    assert [product["sku"] for product in found["products"]] == skus


@pytest.mark.parametrize("sku", ["a/b", "a b", "caf\u00e9", "100%", "..", "a/"])
def test_a_product_is_found_whatever_its_sku_looks_like(
    app: Flask, client: FlaskClient, sku: str
) -> None:
    """Percent-encoded in the path, as any text."""
    with app.extensions["daybook"].store.transaction() as tx:
        add_product(tx, {"sku": sku, "name": "Odd", "price": "1.00"})
    (listed,) = read(client, "/product")["products"]
    quoted = "".join(f"%{byte:02X}" for byte in sku.encode())
    assert read(client, f"/product/{quoted}") == listed
