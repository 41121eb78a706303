"""Orders that wait for stock, and get it."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.inventory import reservations
from app.inventory.service import reconcile
from app.kernel.money import Currency
from app.orders.service import Rules, place_order
from app.server.runtime import Runtime
from tests.over_http import place, read

pytestmark = pytest.mark.usefixtures("catalogue")
Settled = Callable[[], None]


def deliver(client: FlaskClient, sku: str, change: int) -> Any:
    """So many pieces arrive; the product as it then is."""
    adjustment = {"change": change, "reason": "delivery"}
    answer = client.post(f"/product/{sku}/stock", json=adjustment)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def statuses(client: FlaskClient) -> list[str]:
    """Of all orders, oldest first."""
    return [each["status"] for each in read(client, "/order?sort=date")["orders"]]


def queue(client: FlaskClient, settled: Settled, *pots: int) -> None:
    """Nobody has pots; orders of so many wait for them, one after the other."""
    client.post("/product/pot/stock", json={"count": 0})
    for n in pots:
        place(client, pot=n)
        settled()
    assert statuses(client) == ["backordered"] * len(pots)


def test_what_arrives_goes_to_the_oldest_order_first(client: FlaskClient, settled: Settled) -> None:
    """In the transaction that books it: the answer shows it as reserved already."""
    queue(client, settled, 2, 2, 2)
    product = deliver(client, "pot", 4)
    assert (product["quantity"], product["reserved"], product["available"]) == (4, 4, 0)
    settled()
    assert statuses(client) == ["confirmed", "confirmed", "backordered"]


def test_an_order_that_wants_more_than_there_is_holds_nobody_up(
    client: FlaskClient, settled: Settled
) -> None:
    """Goods that lie on the shelf help nobody; it stays the first in the queue."""
    queue(client, settled, 5, 2, 1)
    assert deliver(client, "pot", 3)["reserved"] == 3
    settled()
    assert statuses(client) == ["backordered", "confirmed", "confirmed"]
    deliver(client, "pot", 5)
    settled()
    assert statuses(client) == ["confirmed"] * 3


@pytest.mark.parametrize("ending", ["cancel", "delete", "change"])
def test_what_an_order_gives_back_goes_to_who_waits(
    client: FlaskClient, settled: Settled, ending: str
) -> None:
    """Cancelled, deleted or made smaller."""
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


def test_an_order_waits_for_all_that_it_wants(client: FlaskClient, settled: Settled) -> None:
    """All lines or none: what was there when it was placed may be gone when the rest arrives."""
    queue(client, settled)
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


def test_a_waiting_order_gets_what_it_wants_by_then(client: FlaskClient, settled: Settled) -> None:
    """It was changed while it waited."""
    queue(client, settled, 5)
    client.patch("/order/1001", json={"items": [{"product": "pot", "quantity": 2}]})
    settled()
    assert deliver(client, "pot", 3)["reserved"] == 2
    settled()
    assert statuses(client) == ["confirmed"]


def test_who_was_cancelled_waits_no_more(client: FlaskClient, settled: Settled) -> None:
    queue(client, settled, 2, 2)
    client.post("/order/1001/cancel")
    settled()
    assert deliver(client, "pot", 2)["reserved"] == 2
    settled()
    assert statuses(client) == ["cancelled", "confirmed"]


def test_a_long_queue_is_served_in_several_transactions(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """Each looks at a bounded number of orders; an event brings on the next ones."""
    waiting = reservations.SERVED_AT_ONCE * 2 + 3
    rules = Rules(Currency("EUR"))
    request = {"customer_name": "Ann", "items": [{"product": "pot", "quantity": 2}]}
    with runtime.store.transaction() as tx:
        for _ in range(waiting):
            reconcile(tx, place_order(tx, rules, request)["order_id"])
    client.get("/product")
    settled()
    assert set(statuses(client)) == {"backordered"}
    product = deliver(client, "pot", 2 * waiting)
    assert product["reserved"] == 2 * reservations.SERVED_AT_ONCE
    settled()
    assert read(client, "/product/pot")["available"] == 1
    with runtime.store.read() as view:
        assert view.count("orders", {"status": "confirmed"}) == waiting


def test_low_stock_is_told_once_for_each_crossing(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """Not once for each order; and again when it has been above the threshold."""

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
