"""A shipment from packing through hand-over to delivery."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.over_http import body, place, read
from tests.shipping.conftest import PARCEL, call_back, ship, types_of

Settled = Callable[[], None]


@pytest.mark.usefixtures("catalogue")
def test_an_order_is_packed_shipped_and_delivered(client: FlaskClient, settled: Settled) -> None:
    """An order goes from placed through ready and shipped to delivered."""
    # A customer orders. As soon as inventory has reserved every line, the shipment is ready.
    place(client, "Ann", tea=2, mug=1)
    settled()

    # The warehouse asks what is to be packed.
    [shipment] = read(client, "/shipment?state=ready")["shipments"]
    assert (shipment["order_number"], shipment["customer_name"]) == (1001, "Ann")
    assert [(line["name"], line["quantity"]) for line in shipment["lines"]] == [
        ("Assam, 100 g", 2),
        ("Mug", 1),
    ]

    # The parcel is on the van.
    answer = ship(client)
    assert (answer.status_code, body(answer)["state"]) == (200, "shipped")
    assert read(client, "/shipment?state=ready")["shipments"] == []

    # Orders hears of it by order.fulfilled, which tells carrier, tracking number and lines.
    settled()
    assert read(client, "/order/1001")["status"] == "shipped"
    fulfilled = read(client, "/order/1001/events")["events"][-1]["event"]
    assert fulfilled["type"] == "order.fulfilled"
    assert fulfilled["data"]["shipment"] == {
        "shipment_id": shipment["shipment_id"],
        "carrier": "DHL",
        "tracking_number": "JD0146",
        "lines": [{"product": "tea", "quantity": 2}, {"product": "mug", "quantity": 1}],
    }

    # The carrier calls back: delivered.
    answer = call_back(client)
    assert (answer.status_code, body(answer)["state"]) == (200, "delivered")
    settled()
    order = read(client, "/order/1001")
    assert [step["event"] for step in order["history"]] == [
        *("placed", "confirmed", "shipped", "delivered")
    ]
    assert order["history"][2]["detail"] == "DHL, JD0146"
    assert types_of(client)[-2:] == ["order.fulfilled", "order.delivered"]


def test_a_shipped_order_cannot_be_changed_cancelled_or_deleted(
    client: FlaskClient, ready: dict[str, Any], settled: Settled
) -> None:
    """The refusal is a 409 both before and after the order itself becomes shipped."""
    ship(client)
    for _ in range(2):
        for answer in (
            client.patch("/order/1001", json={"customer_name": "Eve"}),
            client.patch("/order/1001", json={"items": [{"product": "tea", "quantity": 1}]}),
            client.patch("/order/1001", json={"status": "cancelled"}),
            client.post("/order/1001/cancel"),
            client.delete("/order/1001"),
        ):
            refused = body(answer)
            assert (answer.status_code, refused["order_status"]) == (409, "shipped")
            assert "shipped" in refused["detail"]
            assert "can no longer be changed, cancelled or deleted" in refused["detail"]
        settled()
    assert read(client, "/order/1001")["status"] == "shipped"


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_cancelled_order_cannot_be_shipped(
    client: FlaskClient, ready: dict[str, Any], settled: Settled, end: str
) -> None:
    """A hand-over is refused even before shipping has handled the cancellation."""
    order_id = ready["order_id"]
    if end == "cancel":
        client.post(f"/order/{order_id}/cancel")
    else:
        client.delete(f"/order/{order_id}")
    answer = ship(client, order_id)
    if answer.status_code == 409:
        assert body(answer)["order_status"] in ("cancelled", "deleted")
    else:
        assert answer.status_code == 404  # shipping has heard of it
    settled()
    assert ship(client, order_id).status_code == 404
    assert read(client, "/shipment")["shipments"] == []
    assert "order.fulfilled" not in types_of(client, order_id)


def test_a_changed_order_is_shipped_as_it_is_now(
    client: FlaskClient, ready: dict[str, Any], settled: Settled
) -> None:
    """The shipment waits until the new lines are reserved, and then has them."""
    client.patch("/order/1001", json={"items": [{"product": "tea", "quantity": 5}]})
    settled()
    shipment = read(client, "/shipment/1001")
    assert shipment["state"] == "ready"
    assert [line["quantity"] for line in shipment["lines"]] == [5]
    ship(client)
    [line] = read(client, "/order/1001/events")["events"][-1]["event"]["data"]["shipment"]["lines"]
    assert line == {"product": "tea", "quantity": 5}


def test_a_hand_over_of_an_outdated_shipment_is_refused(
    client: FlaskClient, ready: dict[str, Any], settled: Settled
) -> None:
    """If-Match with the version of the packed shipment is refused after the order has changed."""
    packed = client.get("/shipment/1001").headers["ETag"]
    client.patch("/order/1001", json={"items": [{"product": "tea", "quantity": 5}]})
    settled()
    answer = ship(client, **{"If-Match": packed})
    assert answer.status_code == 412
    assert read(client, "/shipment/1001")["state"] == "ready"


@pytest.mark.usefixtures("catalogue")
def test_an_order_that_waits_for_stock_cannot_be_shipped(
    client: FlaskClient, settled: Settled
) -> None:
    """The list and the refusal both say that it waits for stock."""
    place(client, pot=3)
    settled()
    [shipment] = read(client, "/shipment?state=waiting")["shipments"]
    assert shipment["waits_for"] == ["stock"]
    answer = ship(client)
    assert answer.status_code == 409
    assert "waits for stock" in body(answer)["detail"]
    assert types_of(client) == ["order.placed", "inventory.backordered"]


def test_a_shipment_is_handed_over_once(client: FlaskClient, ready: dict[str, Any]) -> None:
    """The same hand-over changes nothing; another one is refused with the details of the first."""
    first, second = ship(client), ship(client)
    assert (second.status_code, second.data) == (200, first.data)
    other = PARCEL | {"tracking_number": "JD0147"}
    answer = client.post("/shipment/1001/ship", json=other)
    assert answer.status_code == 409
    assert "with DHL under the tracking number JD0146" in body(answer)["detail"]
    assert types_of(client).count("order.fulfilled") == 1


def test_a_hand_over_is_idempotent_by_key(client: FlaskClient, ready: dict[str, Any]) -> None:
    """The first response is repeated even after the delivery."""
    first = ship(client, **{"Idempotency-Key": "van-7"})
    call_back(client)
    again = ship(client, **{"Idempotency-Key": "van-7"})
    assert (again.status_code, again.data) == (200, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_shipment_of_a_deleted_order_can_be_delivered(
    client: FlaskClient, ready: dict[str, Any], settled: Settled, take_out: Callable[[str], None]
) -> None:
    """The shipment is kept under the order's id, and no event is emitted."""
    order_id = ready["order_id"]
    ship(client)
    take_out(order_id)
    settled()
    assert body(call_back(client, order_id))["state"] == "delivered"
    assert types_of(client, order_id)[-2:] == ["order.fulfilled", "order.deleted"]


@pytest.mark.usefixtures("catalogue")
def test_unknown_shipments_are_not_found(client: FlaskClient) -> None:
    """An unknown id or number answers 404."""
    for name in ("1001", "nonsense", "01890a5d-ac96-774b-bcce-b302099a8057"):
        assert client.get(f"/shipment/{name}").status_code == 404
        assert ship(client, name).status_code == 404
