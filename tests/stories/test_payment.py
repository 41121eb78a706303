"""The stories of a payment, each from the order to the receipt. Read them as tutorials.

Billing sends requests to a payment gateway, which approves, declines, or cannot be reached. The
tests use the simulated gateway: an order's `payment_method` chooses its reply, as test cards do.
"""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.billing.simulator import Simulator
from app.config import Config
from tests.over_http import body, read, request_for
from tests.shipping.conftest import types_of

pytestmark = pytest.mark.usefixtures("catalogue")
Settled = Callable[[], None]


def buy(client: FlaskClient, method: str) -> None:
    """Order two mugs for 24.00, with a mail address."""
    request = request_for("Ada", mug=2) | {
        "customer_email": "ada@example.com",
        "payment_method": method,
    }
    assert client.post("/order", json=request).status_code == 201


def test_a_declined_payment_ends_the_order(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """payment.failed → the order fails with the reason → its stock is released → a mail."""
    buy(client, "decline")
    settled()

    # The order stays, with the status `failed` and the reason.
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("failed", "failed")
    assert order["history"][-1]["detail"] == "payment declined: the card was declined"

    # Its stock is available to others, and there is nothing to ship.
    assert "payment.failed" in types_of(client)
    assert read(client, "/product/mug")["available"] == 10
    assert read(client, "/shipment")["shipments"] == []

    # The customer was sent two mails: one about the order, one about the payment.
    assert subjects(config) == ["Your order 1001", "The payment of your order 1001 was declined"]

    # There is no receipt.
    assert client.get("/order/1001/receipt.pdf").status_code == 409


def test_a_payment_waits_while_the_gateway_is_down(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Five requests fail, the sixth succeeds, and the payment is captured once."""
    # The gateway is down. That delays the payment only: stock and mail are handled.
    buy(client, "down")
    settled()

    # The gateway is back. The event waited in the outbox, and is not in failure.json.
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert read(client, "/failure")["failures"] == []
    billing = read(client, "/order/1001/events")["events"][0]["deliveries"]["billing"]
    assert {line["error"] for line in billing["log"]} == {
        "Unavailable: The payment gateway cannot be reached."
    }

    # Each request had the same idempotency key, so the gateway has one charge.
    [charge] = Simulator(config.data / "gateway").requests()
    assert (charge["calls"], charge["amount"]) == (6, "24.00")


def test_a_paid_order_has_a_receipt(client: FlaskClient, config: Config, settled: Settled) -> None:
    """payment.captured → the order is paid → a receipt, also by mail."""
    buy(client, "approve")
    settled()
    assert read(client, "/order/1001")["payment_status"] == "paid"

    # The receipt is made from the paid invoice: two requests get the same bytes.
    receipt = client.get("/order/1001/receipt.pdf")
    assert (receipt.status_code, receipt.mimetype) == (200, "application/pdf")
    assert client.get("/order/1001/receipt.pdf").data == receipt.data

    # The mail about the payment has it attached.
    assert subjects(config) == ["Your order 1001", "Receipt for your order 1001"]

    # The order is reduced by one mug: the difference is refunded, and the receipt changes.
    patch = {"items": request_for(mug=1)["items"]}
    assert body(client.patch("/order/1001", json=patch))["total_amount"] == "12.00"
    settled()
    assert types_of(client)[-1] == "payment.refunded"
    assert client.get("/order/1001/receipt.pdf").data != receipt.data


def subjects(config: Config) -> list[str]:
    """The subjects of all mails, oldest first."""
    mails = sorted((config.data / "mail/new").iterdir())
    lines = [line for mail in mails for line in mail.read_text("utf-8").splitlines()]
    return [line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: ")]
