"""The stories of the money, each from the order to the receipt. Read them as tutorials.

Billing asks a payment gateway, which may approve, decline, or not answer at all. Here it is a
simulated one: what it does is chosen by the order's `payment_method`, as with test cards.
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
    """Two mugs, 24.00, with a mail address."""
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

    # The order is in the books, failed, and says why.
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("failed", "failed")
    assert order["history"][-1]["detail"] == "payment declined: the card was declined"

    # What was held for it can be bought by others; and there is nothing to be shipped.
    assert "payment.failed" in types_of(client)
    assert read(client, "/product/mug")["available"] == 10
    assert read(client, "/shipment")["shipments"] == []

    # The customer was written to, once about the order and once about the payment.
    assert subjects(config) == ["Your order 1001", "The payment of your order 1001 was declined"]

    # A receipt there is none.
    assert client.get("/order/1001/receipt.pdf").status_code == 409


def test_a_gateway_that_is_down_is_waited_for(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Five calls find nobody there; the sixth is answered, and the money is taken once."""
    # The gateway is down. That holds up the payment, and nothing else: stock and mail go on.
    buy(client, "down")
    settled()

    # It came back meanwhile. The order waited in the outbox, and is not in failure.json.
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert read(client, "/failure")["failures"] == []
    billing = read(client, "/order/1001/events")["events"][0]["deliveries"]["billing"]
    assert {line["error"] for line in billing["log"]} == {
        "Unavailable: The payment gateway cannot be reached."
    }

    # Each call had the same key, so the gateway knows of one charge.
    [charge] = Simulator(config.data / "gateway").requests()
    assert (charge["calls"], charge["amount"]) == (6, "24.00")


def test_what_is_paid_has_a_receipt(client: FlaskClient, config: Config, settled: Settled) -> None:
    """payment.captured → the order is paid → a receipt, also by mail."""
    buy(client, "approve")
    settled()
    assert read(client, "/order/1001")["payment_status"] == "paid"

    # It is made from the invoice as it was paid, the same to the byte whenever it is asked for.
    receipt = client.get("/order/1001/receipt.pdf")
    assert (receipt.status_code, receipt.mimetype) == (200, "application/pdf")
    assert client.get("/order/1001/receipt.pdf").data == receipt.data

    # The mail that thanks for the payment brings it along.
    assert subjects(config) == ["Your order 1001", "Receipt for your order 1001"]

    # Somebody takes one mug less: the difference goes back, and the receipt says so.
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
