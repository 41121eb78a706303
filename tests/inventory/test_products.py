"""Products over HTTP: their fields and how they are found."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.inventory.schemas import Sku
from app.inventory.service import add_product
from tests.over_http import body, place, read
from tests.transactions import transaction


def test_a_product_has_every_field(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """A product has all documented fields."""
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
def test_the_stock_status_follows_the_available_quantity(
    client: FlaskClient,
    catalogue: dict[str, str],
    settled: Callable[[], None],
    ordered: int,
    available: int,
    status: str,
) -> None:
    """A product is low at its threshold and out of stock at 0; the quantity on hand stays."""
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
def test_filters_select_products(
    client: FlaskClient, catalogue: dict[str, str], query: str, skus: list[str]
) -> None:
    """Filters work alone and together, and lists are in the order of skus."""
    found = read(client, f"/product?{query}")
    assert [product["sku"] for product in found["products"]] == skus


@pytest.mark.parametrize("sku", ["a/b", "a b", "caf\u00e9", "100%", "..", "a/"])
def test_any_sku_can_be_addressed(app: Flask, client: FlaskClient, sku: str) -> None:
    """A sku with special characters is addressed percent-encoded."""
    with transaction(app.extensions["daybook"].store) as tx:
        add_product(tx, {"sku": sku, "name": "Odd", "price": "1.00"})
    (listed,) = read(client, "/product")["products"]
    quoted = "".join(f"%{byte:02X}" for byte in sku.encode())
    assert read(client, f"/product/{quoted}") == listed


@pytest.mark.parametrize(
    "sku",
    [".", "..", "../tea", "a/./b", "a/../tea", "a/..", " ..", "a/ .. /b", "te\u200ba", "\ufefftea"],
)
def test_a_sku_that_leads_to_another_is_refused(client: FlaskClient, sku: str) -> None:
    """Clients resolve . and .. in a path, and nobody sees a zero-width space."""
    response = client.post("/product", json={"sku": sku, "name": "Odd", "price": "1.00"})
    assert (response.status_code, body(response)["errors"][0]["pointer"]) == (422, "/sku")
    assert re.search(Sku().metadata["pattern"], sku) is None


@pytest.mark.parametrize("sku", ["...", ".a", "a.", "a..b", "v1.2/..c", "caf\u00e9"])
def test_dots_within_a_sku_are_fine(client: FlaskClient, sku: str) -> None:
    """Only whole segments . and .. are refused."""
    response = client.post("/product", json={"sku": sku, "name": "Odd", "price": "1.00"})
    assert response.status_code == 201
    assert re.search(Sku().metadata["pattern"], sku)
