"""The order in the data of events: as it is after what the event tells."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.store import Document
from tests.over_http import body, place, read, request_for
from tests.shipping.conftest import PARCEL, SECRET, call_back

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """The carrier and the shop share a secret."""
    return replace(config, carrier_secret=SECRET)


def told(client: FlaskClient, number: str = "1001") -> dict[str, tuple[str, str]]:
    """Status and payment status of the order in each of its events, by type."""
    events = [record["event"] for record in read(client, f"/order/{number}/events")["events"]]
    orders: dict[str, Document] = {event["type"]: event["data"]["order"] for event in events}
    return {type_: (each["status"], each["payment_status"]) for type_, each in orders.items()}


@pytest.mark.usefixtures("catalogue")
def test_a_parcel_tells_shipped_and_delivered(client: FlaskClient, settled: Settled) -> None:
    """A receiver of order.delivered reads an order that is delivered."""
    place(client, tea=2)
    settled()
    client.post("/shipment/1001/ship", json=PARCEL)
    settled()
    call_back(client)
    settled()
    events = told(client)
    assert events["inventory.reserved"][0] == "confirmed"
    assert events["payment.captured"][1] == "paid"
    assert events["order.fulfilled"] == ("shipped", "paid")
    assert events["order.delivered"] == ("delivered", "paid")


@pytest.mark.usefixtures("catalogue")
def test_payments_tell_the_payment_status(client: FlaskClient, settled: Settled) -> None:
    """failed after payment.failed, refunded after payment.refunded."""
    assert (
        client.post("/order", json=request_for(tea=1) | {"payment_method": "decline"}).status_code
        == 201
    )
    place(client, "Bo", tea=1)
    settled()
    client.post("/order/1002/cancel")
    settled()
    assert told(client)["payment.failed"][1] == "failed"
    assert told(client, "1002")["payment.refunded"] == ("cancelled", "refunded")


@pytest.mark.usefixtures("catalogue")
def test_a_backorder_tells_that_the_order_waits(client: FlaskClient, settled: Settled) -> None:
    """And that it is confirmed when stock has arrived; `was` has the status before."""
    place(client, pot=3)
    settled()
    assert told(client)["inventory.backordered"][0] == "backordered"
    client.post("/product/pot/stock", json={"change": 5, "reason": "delivery"})
    settled()
    reserved = body(client.get("/order/1001/events"))["events"][-1]["event"]
    assert reserved["type"] == "inventory.reserved"
    assert (reserved["data"]["was"], reserved["data"]["order"]["status"]) == (
        "backordered",
        "confirmed",
    )
