"""The stories of a changed, a cancelled and a deleted order. Read them as tutorials."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.config import Config
from tests.over_http import place, read

Settled = Callable[[], None]
pytestmark = pytest.mark.usefixtures("catalogue")


def test_an_order_is_changed_and_then_cancelled(client: FlaskClient, settled: Settled) -> None:
    """order.updated changes reservation and payment; order.cancelled undoes both."""
    # Two mugs are ordered, reserved and paid.
    place(client, mug=2)
    settled()
    assert paid(client) == [("payment.captured", "24.00")]

    # The customer wants three. Inventory reserves one more, and billing captures the difference.
    items = [{"product": "mug", "quantity": 3}]
    assert client.patch("/order/1001", json={"items": items}).status_code == 200
    settled()
    assert read(client, "/product/mug")["reserved"] == 3
    assert paid(client)[1:] == [("payment.captured", "36.00")]

    # The customer cancels. The order stays, with the status `cancelled`. No stock is reserved, each
    # payment is refunded, and there is no shipment to pack.
    assert client.post("/order/1001/cancel", json={"reason": "found a cup"}).status_code == 200
    settled()
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("cancelled", "refunded")
    assert order["history"][-2]["detail"] == "found a cup"
    assert read(client, "/product/mug")["reserved"] == 0
    assert paid(client)[2:] == [("payment.refunded", "24.00"), ("payment.refunded", "0.00")]
    assert read(client, "/shipment")["shipments"] == []


def test_an_order_is_deleted(client: FlaskClient, config: Config, settled: Settled) -> None:
    """order.deleted removes the order, releases stock and refunds; the timeline stays."""
    request = {
        "customer_name": "Ann",
        "customer_email": "ann@example.com",
        "items": [{"product": "mug", "quantity": 2}],
    }
    order_id = (client.post("/order", json=request).json or {})["order_id"]
    settled()

    # A clerk deletes it. A second DELETE finds no order.
    assert client.delete("/order/1001").json == {"order_id": order_id, "deleted": True}
    again = client.delete("/order/1001")
    assert (again.status_code, (again.json or {})["deleted"]) == (404, False)
    settled()
    assert client.get("/order/1001").status_code == 404
    assert read(client, "/product/mug")["reserved"] == 0

    # The timeline can still be read by the order id, and the customer was sent a mail.
    assert paid(client, order_id)[-1] == ("payment.refunded", "0.00")
    letters = [path.read_text("utf-8") for path in (config.data / "mail/new").iterdir()]
    assert sum("deleted" in letter.partition("\n\n")[0] for letter in letters) == 1


def paid(client: FlaskClient, order: str = "1001") -> list[tuple[str, str]]:
    """Each payment event, with the sum paid so far."""
    events = [record["event"] for record in read(client, f"/order/{order}/events")["events"]]
    return [
        (event["type"], event["data"]["paid"])
        for event in events
        if event["type"].startswith("payment.")
    ]
