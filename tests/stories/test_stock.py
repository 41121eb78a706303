"""The stories of the stock, each from the first request to the last. Read them as tutorials.

A manager maintains the catalogue and books incoming stock. Orders reserve available stock, or wait
for it as back-orders. The stock ledger records each change of the quantity on hand.
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
    """A manager is set to receive the mails about low stock."""
    return replace(config, manager_email="manager@example.com")


def test_stock_is_reserved_and_leaves_with_the_order(client: FlaskClient, settled: Settled) -> None:
    """Add a product → order → inventory.reserved → confirmed → shipped → quantity falls."""
    # The manager adds a product. Its first quantity is the first line of its ledger.
    assert client.post("/product", json=TEAPOT).status_code == 201

    # A customer orders two. They are reserved, and the order is confirmed: three are still on hand,
    # but only one is available to others.
    place(client, teapot=2)
    settled()
    assert read(client, "/order/1001")["status"] == "confirmed"
    types = [each["event"]["type"] for each in read(client, "/order/1001/events")["events"]]
    assert types[:2] == ["order.placed", "inventory.reserved"]
    assert stock(client) == {"quantity": 3, "reserved": 2, "available": 1}

    # The customer changes the order to one. The other one is available again.
    change = {"items": [{"product": "teapot", "quantity": 1}]}
    assert client.patch("/order/1001", json=change).status_code == 200
    settled()
    assert stock(client) == {"quantity": 3, "reserved": 1, "available": 2}

    # The parcel is shipped: the quantity on hand falls, and the reservation ends.
    parcel = {"carrier": "DHL", "tracking_number": "JD0146"}
    assert client.post("/shipment/1001/ship", json=parcel).status_code == 200
    settled()
    assert stock(client) == {"quantity": 2, "reserved": 0, "available": 2}
    assert ledger(client) == [("shipped", 3, -1, 2), ("new product", 0, 3, 3)]


def test_a_backordered_order_gets_its_stock(client: FlaskClient, settled: Settled) -> None:
    """Too few → inventory.backordered → a delivery → inventory.reserved → confirmed."""
    client.post("/product", json=TEAPOT)

    # Five are ordered, three are in stock. Teapots allow back-orders, so the order waits. Nothing
    # is reserved for it meanwhile, so others can still buy.
    place(client, teapot=5)
    settled()
    assert read(client, "/order/1001")["status"] == "backordered"
    assert stock(client) == {"quantity": 3, "reserved": 0, "available": 3}

    # A second order, placed later, wants four.
    place(client, teapot=4)
    settled()
    assert read(client, "/order/1002")["status"] == "backordered"

    # Three more arrive: six. The older order gets its five, although the other needs only four.
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

    # The older order is cancelled. Its stock goes to the waiting order by itself.
    client.post("/order/1001/cancel")
    settled()
    assert read(client, "/order/1002")["status"] == "confirmed"
    assert stock(client) == {"quantity": 6, "reserved": 4, "available": 2}


def test_a_product_is_repriced_counted_and_archived(client: FlaskClient, settled: Settled) -> None:
    """A new price → product.updated; a stock-take; the product is archived."""
    client.post("/product", json=TEAPOT)
    place(client, teapot=1)
    settled()

    # Two people read the product. The first changes the price. The second has a stale ETag, so the
    # change is refused (412) instead of overwriting the first.
    seen = client.get("/product/teapot").headers["ETag"]
    mine = client.patch("/product/teapot", json={"price": "32.00"}, headers={"If-Match": seen})
    theirs = client.patch("/product/teapot", json={"name": "Pot"}, headers={"If-Match": seen})
    assert (mine.status_code, theirs.status_code) == (200, 412)

    # Websites read the change from the feed. An earlier order keeps its price.
    (*_, event) = read(client, "/event?type=product.updated")["events"]
    assert event["data"]["product"]["price"] == "32.00"
    assert read(client, "/order/1001")["total_amount"] == "30.00"

    # A stock-take finds two instead of three. The ledger records the difference.
    client.post("/product/teapot/stock", json={"count": 2})
    assert ledger(client)[0] == ("stock-take", 3, -1, 2)

    # A product in an open order cannot be archived; once the order has ended it can.
    assert client.delete("/product/teapot").status_code == 409
    client.post("/order/1001/cancel")
    settled()
    assert client.delete("/product/teapot").status_code == 200
    assert read(client, "/product")["products"] == []
    assert read(client, "/product?archived=true&q=teapot")["products"][0]["sku"] == "teapot"


def test_low_stock_sends_the_manager_one_mail(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Each crossing of the threshold from above sends one mail."""
    client.post("/product", json=TEAPOT)

    # With the second of two orders the available quantity reaches the threshold: one mail.
    for _ in range(2):
        place(client, teapot=1)
        settled()
    assert mails(config) == 1

    # The next order takes the last one. There is no further mail.
    place(client, teapot=1)
    settled()
    assert read(client, "/product/teapot")["stock_status"] == "out_of_stock"
    assert mails(config) == 1

    # Ten arrive and nine are sold. The threshold is crossed again, so there is another mail.
    client.post("/product/teapot/stock", json={"change": 10, "reason": "delivery"})
    place(client, teapot=9)
    settled()
    assert mails(config) == 2


def stock(client: FlaskClient) -> dict[str, int]:
    product = read(client, "/product/teapot")
    return {name: product[name] for name in ("quantity", "reserved", "available")}


def ledger(client: FlaskClient) -> list[tuple[Any, ...]]:
    """The lines of the ledger, newest first: reason, before, change, after."""
    lines = read(client, "/product/teapot/stock")["stock"]
    return [(each["reason"], each["before"], each["change"], each["after"]) for each in lines]


def mails(config: Config) -> int:
    """How many mails the manager was sent."""
    letters = [path.read_text("utf-8") for path in (config.data / "mail/new").iterdir()]
    return sum("To: manager@example.com" in letter for letter in letters)
