"""The stories of the stock room, each from the first request to the last. Read them as tutorials.

A manager keeps the catalogue and books deliveries; orders take what there is, and wait for what
there is not. Whatever happens, the stock ledger tells how it came to be.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import Config
from tests.over_http import body, place, read

Settled = Callable[[], None]
TEAPOT = {
    "sku": "teapot",
    "name": "Teapot",
    "price": "30.00",
    "quantity": 3,
    "low_stock_threshold": 1,
    "backorder": True,
}


@pytest.fixture
def config(config: Config) -> Config:
    """Low stock is told to somebody."""
    return replace(config, manager_email="manager@example.com")


def test_stock_is_reserved_and_leaves_with_the_order(client: FlaskClient, settled: Settled) -> None:
    """Add a product → order → inventory.reserved → confirmed → shipped → off the shelf."""
    # The manager adds a product. What it begins with is the first line of its ledger.
    assert client.post("/product", json=TEAPOT).status_code == 201

    # A customer orders two. A moment later they are held for this order, and it is confirmed: three
    # are on hand still, but only one is available to others.
    place(client, teapot=2)
    settled()
    assert read(client, "/order/1001")["status"] == "confirmed"
    types = [each["event"]["type"] for each in read(client, "/order/1001/events")["events"]]
    assert types[:2] == ["order.placed", "inventory.reserved"]
    assert shelf(client) == {"quantity": 3, "reserved": 2, "available": 1}

    # The customer thinks again, and takes one only. The other one is available at once.
    change = {"items": [{"product": "teapot", "quantity": 1}]}
    assert client.patch("/order/1001", json=change).status_code == 200
    settled()
    assert shelf(client) == {"quantity": 3, "reserved": 1, "available": 2}

    # The parcel leaves the house: what was held is gone, from the shelf as from the reservation.
    parcel = {"carrier": "DHL", "tracking_number": "JD0146"}
    assert client.post("/shipment/1001/ship", json=parcel).status_code == 200
    settled()
    assert shelf(client) == {"quantity": 2, "reserved": 0, "available": 2}
    assert ledger(client) == [("shipped", 3, -1, 2), ("new product", 0, 3, 3)]


def test_an_order_waits_for_stock_and_gets_it(client: FlaskClient, settled: Settled) -> None:
    """Too few → inventory.backordered → a delivery → inventory.reserved → confirmed."""
    client.post("/product", json=TEAPOT)

    # Five are wanted, three are there. Teapots may be sold when they are out of stock, so the order
    # waits; nothing is held for it meanwhile, and others may still buy.
    place(client, teapot=5)
    settled()
    assert read(client, "/order/1001")["status"] == "backordered"
    assert shelf(client) == {"quantity": 3, "reserved": 0, "available": 3}

    # A second order, placed later, wants four.
    place(client, teapot=4)
    settled()
    assert read(client, "/order/1002")["status"] == "backordered"

    # Three more come: six. The older order gets its five, though the younger one would fit as well.
    answer = client.post("/product/teapot/stock", json={"change": 3, "reason": "delivery"})
    assert body(answer)["reserved"] == 5
    settled()
    assert read(client, "/order/1001")["status"] == "confirmed"
    assert read(client, "/order/1002")["status"] == "backordered"
    types = [each["event"]["type"] for each in read(client, "/order/1001/events")["events"]]
    assert [each for each in types if each.startswith("inventory.")] == [
        "inventory.backordered",
        "inventory.reserved",
    ]

    # The older order is cancelled. What it gives back goes to the one that waits, without a word.
    client.post("/order/1001/cancel")
    settled()
    assert read(client, "/order/1002")["status"] == "confirmed"
    assert shelf(client) == {"quantity": 6, "reserved": 4, "available": 2}


def test_a_product_is_changed_counted_and_taken_out(client: FlaskClient, settled: Settled) -> None:
    """A new price → product.updated; a stock-take; an end."""
    client.post("/product", json=TEAPOT)
    place(client, teapot=1)
    settled()

    # Two people look at the product. The first one changes the price; the second one, who has not
    # seen that, is told so instead of undoing it.
    seen = client.get("/product/teapot").headers["ETag"]
    mine = client.patch("/product/teapot", json={"price": "32.00"}, headers={"If-Match": seen})
    theirs = client.patch("/product/teapot", json={"name": "Pot"}, headers={"If-Match": seen})
    assert (mine.status_code, theirs.status_code) == (200, 412)

    # Websites hear of it. The order that was placed before keeps the price that it was placed at.
    (*_, told) = read(client, "/event?type=product.updated")["events"]
    assert told["data"]["product"]["price"] == "32.00"
    assert read(client, "/order/1001")["total_amount"] == "30.00"

    # Somebody counts the shelf, and finds two instead of three. The ledger says by how much.
    client.post("/product/teapot/stock", json={"count": 2})
    assert ledger(client)[0] == ("stock-take", 3, -1, 2)

    # It shall no longer be sold. But an open order wants one; once that has ended, it can go.
    assert client.delete("/product/teapot").status_code == 409
    client.post("/order/1001/cancel")
    settled()
    assert client.delete("/product/teapot").status_code == 200
    assert read(client, "/product")["products"] == []
    assert read(client, "/product?archived=true&q=teapot")["products"][0]["sku"] == "teapot"


def test_the_manager_hears_of_low_stock_once(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Three are there; one is the threshold; then a delivery, and it begins anew."""
    client.post("/product", json=TEAPOT)

    # Two orders. With the second one, what is available reaches the threshold: one mail.
    for _ in range(2):
        place(client, teapot=1)
        settled()
    assert mails(config) == 1

    # The next order takes the last one. The manager knows.
    place(client, teapot=1)
    settled()
    assert read(client, "/product/teapot")["stock_status"] == "out_of_stock"
    assert mails(config) == 1

    # Ten come, and are sold again: it has been above the threshold, so there is another mail.
    client.post("/product/teapot/stock", json={"change": 10, "reason": "delivery"})
    place(client, teapot=9)
    settled()
    assert mails(config) == 2


def shelf(client: FlaskClient) -> dict[str, int]:
    product = read(client, "/product/teapot")
    return {name: product[name] for name in ("quantity", "reserved", "available")}


def ledger(client: FlaskClient) -> list[tuple[Any, ...]]:
    """Its lines, newest first: why, before, change, after."""
    lines = read(client, "/product/teapot/stock")["stock"]
    return [(each["reason"], each["before"], each["change"], each["after"]) for each in lines]


def mails(config: Config) -> int:
    """How many the manager got."""
    letters = [path.read_text("utf-8") for path in (config.data / "mail/new").iterdir()]
    return sum("To: manager@example.com" in letter for letter in letters)
