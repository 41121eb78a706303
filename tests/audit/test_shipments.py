"""Shipments and statuses: a check finds what does not follow, and the repair puts it right."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.inventory.documents import PRODUCTS
from app.orders.documents import ORDERS
from app.server.runtime import Runtime
from app.shipping.documents import SHIPMENTS
from tests.audit.conftest import Edit, Settled, differences, repaired
from tests.over_http import place, read
from tests.transactions import transaction

PARCEL = {"carrier": "DHL", "tracking_number": "JD0146"}


def test_shipments_at_work_agree_with_their_orders(
    runtime: Runtime,
    client: FlaskClient,
    catalogue: dict[str, str],
    settled: Settled,
    take_out: Callable[[str], None],
) -> None:
    """Ready, waiting, shipped, taken back, and shipped for an order that is gone since."""
    orders = [place(client, tea=quantity) for quantity in (1, 2, 3, 4)]
    place(client, pot=3)
    settled()
    for number in (1002, 1003):
        client.post(f"/shipment/{number}/ship", json=PARCEL)
    take_out(orders[2]["order_id"])
    client.post("/order/1004/cancel")
    settled()
    states = [each["state"] for each in read(client, "/shipment")["shipments"]]
    assert states == ["ready", "shipped", "shipped", "waiting"]
    assert _shipment_differences(runtime) == []


def test_a_shipment_that_was_lost_is_made_anew(runtime: Runtime, order: dict[str, Any]) -> None:
    """The goods are reserved, and without a shipment they would not be packed."""
    with transaction(runtime.store) as tx:
        tx.delete(SHIPMENTS.name, order["order_id"])
    assert _shipment_differences(runtime) == [
        "shipment of order 1001: expected waiting or ready, found none"
    ]
    assert _repaired(runtime) == []
    with runtime.store.read() as view:
        assert (view.get(SHIPMENTS.name, order["order_id"]) or {})["state"] == "ready"


def test_a_shipment_that_should_not_be_packed_is_removed(
    runtime: Runtime, client: FlaskClient, order: dict[str, Any], settled: Settled
) -> None:
    """Of an order that was cancelled, and of one that is gone."""
    with runtime.store.read() as view:
        shipment = view.get(SHIPMENTS.name, order["order_id"]) or {}
    client.post("/order/1001/cancel")
    settled()
    with transaction(runtime.store) as tx:
        tx.put(SHIPMENTS.name, shipment)
    assert _shipment_differences(runtime) == ["shipment of order 1001: expected none, found ready"]
    client.delete("/order/1001")
    settled()
    with transaction(runtime.store) as tx:
        tx.put(SHIPMENTS.name, shipment)
    assert _shipment_differences(runtime) == [
        "shipment of order 1001, which is gone: expected none, found ready"
    ]
    assert _repaired(runtime) == []


def test_an_order_behind_its_shipment_catches_up(
    runtime: Runtime, client: FlaskClient, edit: Edit, order: dict[str, Any], settled: Settled
) -> None:
    """Somebody set its status back; the parcel is on its way all the same."""
    client.post("/shipment/1001/ship", json=PARCEL)
    settled()
    history = read(client, "/order/1001")["history"]
    edit(ORDERS.name, order["order_id"], status="confirmed", history=history[:2])
    assert _shipment_differences(runtime) == [
        "status of order 1001: expected shipped, found confirmed"
    ]
    assert _repaired(runtime) == []
    assert read(client, "/order/1001")["status"] == "shipped"


@pytest.mark.parametrize("status", ["cancelled", "failed", "delivered"])
def test_an_order_that_contradicts_its_shipment_is_left_to_a_person(
    runtime: Runtime,
    client: FlaskClient,
    edit: Edit,
    order: dict[str, Any],
    settled: Settled,
    status: str,
) -> None:
    """The goods are under way, so there is no repair, and the others go on."""
    client.post("/shipment/1001/ship", json=PARCEL)
    settled()
    edit(ORDERS.name, order["order_id"], status=status, history=[])
    edit(PRODUCTS.name, "tea", reserved=7, available=91)
    difference = f"status of order 1001: expected shipped, found {status}"
    assert difference in differences(runtime)
    assert len(differences(runtime)) == 3
    assert repaired(runtime) == [difference]


@pytest.mark.parametrize("status", ["shipped", "delivered"])
def test_an_order_cannot_be_ahead_of_its_shipment(
    runtime: Runtime, edit: Edit, order: dict[str, Any], status: str
) -> None:
    """It is reported; only a person can know what is true."""
    edit(ORDERS.name, order["order_id"], status=status, history=[])
    assert f"shipment of order 1001: expected {status}, found ready" in _shipment_differences(
        runtime
    )


def _shipment_differences(runtime: Runtime) -> list[str]:
    """The differences of shipments and statuses; other tests compare the stock."""
    return [each for each in differences(runtime) if each.startswith(("shipment", "status"))]


def _repaired(runtime: Runtime) -> list[str]:
    repaired(runtime)
    return _shipment_differences(runtime)
