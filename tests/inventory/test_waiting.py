"""Back-orders: orders that wait for stock."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.inventory import reservations
from app.inventory.reservations import reconcile_reservation
from app.kernel.money import Currency
from app.orders.service import OrderPolicy, place_order
from app.server.runtime import Runtime
from tests.over_http import place, read
from tests.transactions import transaction

pytestmark = pytest.mark.usefixtures("catalogue")
Settled = Callable[[], None]


def deliver(client: FlaskClient, sku: str, change: int) -> Any:
    """Add pieces to the stock; returns the product after it."""
    adjustment = {"change": change, "reason": "delivery"}
    answer = client.post(f"/product/{sku}/stock", json=adjustment)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def statuses(client: FlaskClient) -> list[str]:
    """The statuses of all orders, oldest first."""
    return [each["status"] for each in read(client, "/order?sort=date")["orders"]]


def backorder_pots(client: FlaskClient, settled: Settled, *pots: int) -> None:
    """Place orders of so many pots each while pots are out of stock."""
    client.post("/product/pot/stock", json={"count": 0})
    for n in pots:
        place(client, pot=n)
        settled()
    assert statuses(client) == ["backordered"] * len(pots)


def test_new_stock_goes_to_the_oldest_order_first(client: FlaskClient, settled: Settled) -> None:
    """The response shows it as reserved: one transaction adds and reserves it."""
    backorder_pots(client, settled, 2, 2, 2)
    product = deliver(client, "pot", 4)
    assert (product["quantity"], product["reserved"], product["available"]) == (4, 4, 0)
    settled()
    assert statuses(client) == ["confirmed", "confirmed", "backordered"]


def test_a_large_order_does_not_block_smaller_ones(client: FlaskClient, settled: Settled) -> None:
    """An order that wants more than is available keeps its place while later ones are served."""
    backorder_pots(client, settled, 5, 2, 1)
    assert deliver(client, "pot", 3)["reserved"] == 3
    settled()
    assert statuses(client) == ["backordered", "confirmed", "confirmed"]
    deliver(client, "pot", 5)
    settled()
    assert statuses(client) == ["confirmed"] * 3


@pytest.mark.parametrize("ending", ["cancel", "delete", "change"])
def test_freed_stock_goes_to_waiting_orders(
    client: FlaskClient, settled: Settled, ending: str
) -> None:
    """Cancelling, deleting or reducing an order frees stock for the waiting ones."""
    place(client, pot=1)
    settled()
    place(client, pot=1)
    settled()
    assert statuses(client) == ["confirmed", "backordered"]
    match ending:
        case "cancel":
            client.post("/order/1001/cancel")
        case "delete":
            client.delete("/order/1001")
        case "change":
            client.patch("/order/1001", json={"items": [{"product": "tea", "quantity": 1}]})
    settled()
    assert read(client, "/order/1002")["status"] == "confirmed"
    assert read(client, "/product/pot")["available"] == 0


def test_an_order_waits_for_all_of_its_lines(client: FlaskClient, settled: Settled) -> None:
    """An order gets all lines or none, so stock that it could have had may be sold meanwhile."""
    backorder_pots(client, settled)
    place(client, pot=1, mug=10)
    settled()
    place(client, mug=10)
    settled()
    deliver(client, "pot", 1)
    settled()
    assert statuses(client) == ["backordered", "confirmed"]
    assert read(client, "/product/pot")["reserved"] == 0
    deliver(client, "mug", 10)
    settled()
    assert statuses(client) == ["confirmed", "confirmed"]


def test_a_waiting_order_gets_its_changed_lines(client: FlaskClient, settled: Settled) -> None:
    """An order that was changed while it waited gets its new lines."""
    backorder_pots(client, settled, 5)
    client.patch("/order/1001", json={"items": [{"product": "pot", "quantity": 2}]})
    settled()
    assert deliver(client, "pot", 3)["reserved"] == 2
    settled()
    assert statuses(client) == ["confirmed"]


def test_a_cancelled_order_no_longer_waits(client: FlaskClient, settled: Settled) -> None:
    backorder_pots(client, settled, 2, 2)
    client.post("/order/1001/cancel")
    settled()
    assert deliver(client, "pot", 2)["reserved"] == 2
    settled()
    assert statuses(client) == ["cancelled", "confirmed"]


def test_a_long_queue_is_served_in_several_transactions(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """Each transaction checks a bounded number of orders, and an event continues with the rest."""
    waiting = reservations.BACKORDERS_PER_TRANSACTION * 2 + 3
    rules = OrderPolicy(Currency("EUR"))
    request = {"customer_name": "Ann", "items": [{"product": "pot", "quantity": 2}]}
    with transaction(runtime.store) as tx:
        for _ in range(waiting):
            reconcile_reservation(tx, place_order(tx, rules, request)["order_id"])
    client.get("/product")
    settled()
    assert set(statuses(client)) == {"backordered"}
    product = deliver(client, "pot", 2 * waiting)
    assert product["reserved"] == 2 * reservations.BACKORDERS_PER_TRANSACTION
    settled()
    assert read(client, "/product/pot")["available"] == 1
    with runtime.store.read() as view:
        assert view.count("orders", {"status": "confirmed"}) == waiting


def test_low_stock_is_emitted_once_for_each_crossing(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """Further orders emit nothing; the next crossing from above the threshold does."""

    def alerts() -> list[int]:
        with runtime.store.read() as view:
            keys = sorted({*view.keys("events"), *view.keys("outbox")})
            records = [view.get("events", key) or view.get("outbox", key) for key in keys]
        events = [record["event"] for record in records if record]
        told = [each for each in events if each["type"] == "product.low_stock"]
        assert {each["subject"] for each in told} <= {"mug"}
        return [each["data"]["product"]["available"] for each in told]

    place(client, mug=6)
    settled()
    assert alerts() == []
    for _ in range(3):
        place(client, mug=1)
        settled()
    assert alerts() == [3]
    deliver(client, "mug", 2)
    client.post("/order/1002/cancel")
    settled()
    assert alerts() == [3]
    assert read(client, "/product/mug")["stock_status"] == "in_stock"
    place(client, mug=1)
    settled()
    assert alerts() == [3, 3]
