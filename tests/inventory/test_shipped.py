"""Stock is deducted when an order is shipped."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.events.outbox import emit
from app.events.types import OrderFulfilled
from app.inventory.documents import RESERVATIONS
from app.inventory.reservations import reconcile_reservation
from app.server.runtime import Runtime
from tests.over_http import place, read
from tests.transactions import transaction

pytestmark = pytest.mark.usefixtures("catalogue")
Settled = Callable[[], None]
PARCEL = {"carrier": "DHL", "tracking_number": "JD0146"}


@pytest.fixture
def shipped(client: FlaskClient, settled: Settled) -> dict[str, Any]:
    """A shipped order of two teas and a mug."""
    order = place(client, tea=2, mug=1)
    settled()
    assert client.post("/shipment/1001/ship", json=PARCEL).status_code == 200
    settled()
    assert read(client, "/order/1001")["status"] == "shipped"
    return order


def test_a_shipment_is_deducted_from_stock_and_reservation(
    client: FlaskClient, runtime: Runtime, shipped: dict[str, Any]
) -> None:
    """The available quantity stays as it was since the order was placed."""
    tea = read(client, "/product/tea")
    assert (tea["quantity"], tea["reserved"], tea["available"]) == (98, 0, 98)
    line = read(client, "/product/tea/stock")["stock"][0]
    told = ("reason", "who", "change", "before", "after", "order_id")
    assert [line[name] for name in told] == [
        *("shipped", "shipping", -2, 100, 98),
        shipped["order_id"],
    ]
    with runtime.store.read() as view:
        assert view.get(RESERVATIONS.name, shipped["order_id"]) is None


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_shipment_is_deducted_once(
    client: FlaskClient,
    runtime: Runtime,
    settled: Settled,
    shipped: dict[str, Any],
    take_out: Callable[[str], None],
    is_gone: bool,
) -> None:
    """Repeated events deduct nothing more, also when the order has been deleted."""
    if is_gone:
        take_out(shipped["order_id"])
        settled()
    parcel = {"shipment_id": shipped["order_id"]} | PARCEL
    lines = [{"product": "tea", "quantity": 2}, {"product": "mug", "quantity": 1}]
    data = {"order": shipped, "shipment": parcel | {"lines": lines}}
    with transaction(runtime.store) as tx:
        emit(tx, OrderFulfilled(shipped["order_id"], data))
    settled()
    assert read(client, "/product/tea")["quantity"] == 98
    assert read(client, "/product/mug")["quantity"] == 9
    assert len(read(client, "/product/tea/stock")["stock"]) == 2


def test_a_shipment_larger_than_the_stock_fails(client: FlaskClient, settled: Settled) -> None:
    """The event waits in failure.json until the stock is counted, and then its replay succeeds."""
    place(client, mug=4)
    settled()
    client.post("/product/mug/stock", json={"count": 3})
    client.post("/shipment/1001/ship", json=PARCEL)
    settled()
    (failure,) = read(client, "/failure")["failures"]
    assert (failure["handler"], failure["event"]["type"]) == ("inventory", "order.fulfilled")
    assert "count the stock" in failure["error"]
    mug = read(client, "/product/mug")
    assert (mug["quantity"], mug["reserved"]) == (3, 4)
    client.post("/product/mug/stock", json={"count": 6})
    client.post("/failure/replay", json={"all": True})
    settled()
    mug = read(client, "/product/mug")
    assert (mug["quantity"], mug["reserved"], mug["available"]) == (2, 0, 2)


def test_an_order_that_has_left_is_not_reserved_again(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """A late order event reserves nothing after the goods have left, even before the order is
    shipped.
    """
    client.get("/product")
    order = place(client, mug=1)
    settled()
    runtime.close()
    with transaction(runtime.store) as tx:
        shipment = tx.get("shipments", order["order_id"])
        assert shipment is not None
        tx.put("shipments", shipment | {"state": "shipped"})
        tx.delete(RESERVATIONS.name, order["order_id"])
        reconcile_reservation(tx, order["order_id"])
        assert tx.get(RESERVATIONS.name, order["order_id"]) is None
