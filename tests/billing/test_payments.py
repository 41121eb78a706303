"""Payments, as the customer, the invoice and the gateway see them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.billing.simulator import OUTAGE_CALLS, Simulator
from app.config import Config
from tests.billing.conftest import Document, Invoices, Settled, gateway_requests
from tests.over_http import body, read, request_for

pytestmark = pytest.mark.usefixtures("catalogue")


def buy(client: FlaskClient, method: str, /, **quantities: int) -> Document:
    """Place an order with the payment method."""
    request = request_for("Ada", **quantities) | {"payment_method": method}
    answer = client.post("/order", json=request)
    assert answer.status_code == 201, answer.text
    order: Document = body(answer)
    return order


def change(client: FlaskClient, **fields: Any) -> None:
    assert client.patch("/order/1001", json=fields).status_code == 200


def lines(**quantities: int) -> Document:
    return {"items": request_for("Ada", **quantities)["items"]}


def payment_events(client: FlaskClient, order: str = "1001") -> list[Document]:
    events = [record["event"] for record in read(client, f"/order/{order}/events")["events"]]
    return [event for event in events if event["type"].startswith("payment.")]


def payments_of(client: FlaskClient, order: str = "1001") -> list[tuple[str, str, str]]:
    """(type, amount, paid in all) of each payment event."""
    return [
        (event["type"], event["data"]["payment"]["amount"], event["data"]["paid"])
        for event in payment_events(client, order)
    ]


def test_an_order_is_paid(
    client: FlaskClient, settled: Settled, invoices: Invoices, gateway: Simulator
) -> None:
    """After payment.captured the order, the invoice and the gateway agree."""
    buy(client, "approve", tea=2, mug=1)
    settled()
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert ("payment paid", "21.00 EUR paid") in [
        (step["event"], step["detail"]) for step in order["history"]
    ]
    [event] = payment_events(client)
    assert event["data"]["order"]["total_amount"] == event["data"]["paid"] == "21.00"
    [invoice] = invoices()
    assert (invoice["paid"], invoice["payment_status"]) == ("21.00", "paid")
    assert event["data"]["payment"] == invoice["payments"][0]
    assert event["data"]["invoice_number"] == invoice["invoice_number"] == 1
    assert gateway_requests(gateway) == [("charge", "21.00", True, 1)]


def test_a_declined_payment_fails_the_order_and_frees_its_stock(
    client: FlaskClient, settled: Settled, invoices: Invoices
) -> None:
    """After payment.failed the order fails, its stock is free and its invoice is void."""
    buy(client, "decline", tea=2)
    settled()
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("failed", "failed")
    assert order["history"][-1]["detail"] == "payment declined: the card was declined"
    types = [record["event"]["type"] for record in read(client, "/order/1001/events")["events"]]
    assert types.index("payment.failed") < types.index("order.cancelled")
    assert read(client, "/product/tea")["reserved"] == 0
    [invoice] = invoices()
    assert (invoice["status"], invoice["paid"]) == ("void", "0.00")
    assert read(client, "/failure")["failures"] == []


def test_a_payment_that_times_out_is_charged_once(
    client: FlaskClient, settled: Settled, gateway: Simulator
) -> None:
    """A lost answer is requested again and repeated, and the customer is charged once."""
    buy(client, "timeout", tea=2)
    settled()
    assert read(client, "/order/1001")["payment_status"] == "paid"
    assert gateway_requests(gateway) == [("charge", "9.00", True, 2)]
    [placed, *_] = read(client, "/order/1001/events")["events"]
    [line] = placed["deliveries"]["billing"]["log"]
    assert line["error"] == "Unavailable: The payment gateway did not respond in time."


def test_a_payment_waits_for_a_gateway_that_is_down(
    client: FlaskClient, settled: Settled, gateway: Simulator
) -> None:
    """The stock stays reserved, and the payment follows when the gateway is up."""
    buy(client, "down", tea=2)
    settled()
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert gateway_requests(gateway) == [("charge", "9.00", True, OUTAGE_CALLS + 1)]


def test_a_payment_that_was_given_up_is_replayed(
    client: FlaskClient, settled: Settled, gateway: Simulator
) -> None:
    """A payment that failed in a long outage is in failure.json, and its replay succeeds."""
    client.put("/fault/billing", json={"mode": "fail"})
    buy(client, "approve", tea=2)
    settled()
    [failure] = read(client, "/failure")["failures"]
    assert failure["handler"] == "billing"
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("confirmed", "pending")
    assert gateway_requests(gateway) == []

    client.delete("/fault/billing")
    assert body(client.post("/failure/replay", json={"all": True})) == {"replayed": 1}
    settled()
    assert read(client, "/order/1001")["payment_status"] == "paid"
    assert gateway_requests(gateway) == [("charge", "9.00", True, 1)]


@pytest.mark.parametrize("ending", ["cancel", "delete"])
def test_an_order_that_ends_is_refunded(
    client: FlaskClient, settled: Settled, invoices: Invoices, gateway: Simulator, ending: str
) -> None:
    """The whole paid amount is refunded, with payment.refunded."""
    order = buy(client, "approve", tea=2)
    settled()
    client.post("/order/1001/cancel") if ending == "cancel" else client.delete("/order/1001")
    [invoice] = invoices()
    assert (invoice["status"], invoice["paid"], invoice["payment_status"]) == (
        "void",
        "0.00",
        "refunded",
    )
    assert payments_of(client, order["order_id"]) == [
        ("payment.captured", "9.00", "9.00"),
        ("payment.refunded", "9.00", "0.00"),
    ]
    assert gateway_requests(gateway) == [("charge", "9.00", True, 1), ("refund", "9.00", True, 1)]
    if ending == "cancel":
        cancelled = read(client, "/order/1001")
        assert (cancelled["status"], cancelled["payment_status"]) == ("cancelled", "refunded")


def test_a_deleted_shipped_order_is_not_refunded(
    client: FlaskClient, settled: Settled, invoices: Invoices, take_out: Callable[[str], None]
) -> None:
    """An order that a person removes after its goods have left stays paid."""
    order = buy(client, "approve", tea=2)
    settled()
    parcel = {"carrier": "DHL", "tracking_number": "JD0146"}
    assert client.post("/shipment/1001/ship", json=parcel).status_code == 200
    take_out(order["order_id"])
    [invoice] = invoices()
    assert (invoice["status"], invoice["paid"]) == ("open", "9.00")


class TestShippedUnpaid:
    """A shop that ships before the payment: DAYBOOK_SHIP_WHEN=reserved."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return replace(config, ship_when="reserved")

    @pytest.mark.parametrize("heard_first", [False, True], ids=["of nothing", "before a change"])
    def test_an_order_deleted_before_billing_is_still_paid(
        self,
        client: FlaskClient,
        settled: Settled,
        invoices: Invoices,
        take_out: Callable[[str], None],
        heard_first: bool,
    ) -> None:
        """An order shipped and deleted during an outage of billing is charged afterwards."""
        if heard_first:
            order = buy(client, "approve", tea=2)
            settled()
        client.put("/fault/billing", json={"mode": "fail"})
        if not heard_first:
            order = buy(client, "approve", tea=2)
        change(client, **lines(tea=3))
        settled()
        parcel = {"carrier": "DHL", "tracking_number": "JD0146"}
        assert client.post("/shipment/1001/ship", json=parcel).status_code == 200
        take_out(order["order_id"])
        settled()

        client.delete("/fault/billing")
        assert body(client.post("/failure/replay", json={"all": True})) == {"replayed": 1}
        [invoice] = invoices()
        assert (invoice["status"], invoice["total_amount"], invoice["paid"]) == (
            "open",
            "13.50",
            "13.50",
        )


def test_a_smaller_total_refunds_the_difference(
    client: FlaskClient, settled: Settled, invoices: Invoices
) -> None:
    """The difference is refunded, and the order stays paid."""
    buy(client, "approve", tea=4)
    settled()
    change(client, **lines(tea=1))
    [invoice] = invoices()
    assert (invoice["total_amount"], invoice["paid"]) == ("4.50", "4.50")
    assert payments_of(client)[1] == ("payment.refunded", "13.50", "4.50")
    assert read(client, "/order/1001")["payment_status"] == "paid"


def test_a_larger_total_captures_the_difference(client: FlaskClient, settled: Settled) -> None:
    buy(client, "approve", tea=1)
    settled()
    change(client, **lines(tea=3))
    settled()
    assert payments_of(client)[1] == ("payment.captured", "9.00", "13.50")


def test_a_refund_of_two_captures_refunds_each(
    client: FlaskClient, settled: Settled, gateway: Simulator
) -> None:
    """A refund belongs to one charge, so two charges take two refunds, newest first."""
    buy(client, "approve", tea=1)
    settled()
    change(client, **lines(tea=3))
    settled()
    client.post("/order/1001/cancel")
    settled()
    charges_and_refunds = [(kind, amount) for kind, amount, _, _ in gateway_requests(gateway)]
    assert charges_and_refunds == [
        ("charge", "4.50"),
        ("charge", "9.00"),
        ("refund", "9.00"),
        ("refund", "4.50"),
    ]
    assert payments_of(client)[-1] == ("payment.refunded", "4.50", "0.00")


class TestDeclinedDifference:
    """A paid order whose larger total is declined."""

    @pytest.fixture(autouse=True)
    def declined(self, client: FlaskClient, catalogue: dict[str, str], settled: Settled) -> None:
        buy(client, "approve", tea=1)
        settled()
        change(client, payment_method="decline", **lines(tea=3))
        settled()

    def test_the_order_stays_open_and_unpaid(self, client: FlaskClient) -> None:
        """The paid amount and the stock are kept, and the order is not shipped as paid."""
        order = read(client, "/order/1001")
        assert (order["status"], order["payment_status"]) == ("confirmed", "failed")
        assert order["history"][-1]["event"] == "payment failed"
        assert order["history"][-1]["detail"] == "4.50 EUR paid: the card was declined"
        assert payments_of(client)[-1] == ("payment.failed", "9.00", "4.50")
        assert read(client, "/product/tea")["reserved"] == 3

    def test_another_method_pays_it(self, client: FlaskClient, settled: Settled) -> None:
        change(client, payment_method="approve")
        settled()
        assert read(client, "/order/1001")["payment_status"] == "paid"
        assert payments_of(client)[-1] == ("payment.captured", "9.00", "13.50")

    def test_a_change_back_needs_no_payment(self, client: FlaskClient, settled: Settled) -> None:
        """A change back to the paid total emits payment.captured with the earlier payment."""
        change(client, **lines(tea=1))
        settled()
        assert read(client, "/order/1001")["payment_status"] == "paid"
        assert payments_of(client)[-1] == ("payment.captured", "4.50", "4.50")
        events = [record["event"] for record in read(client, "/order/1001/events")["events"]]
        paid = [event["data"]["again"] for event in events if event["type"] == "payment.captured"]
        assert paid == [False, True]

    def test_a_decline_is_not_retried_without_a_relevant_change(
        self, client: FlaskClient, settled: Settled, gateway: Simulator
    ) -> None:
        """A change of the customer's name requests no new payment."""
        before = gateway_requests(gateway)
        change(client, customer_name="Bo")
        settled()
        assert gateway_requests(gateway) == before

    def test_it_can_be_cancelled(self, client: FlaskClient, settled: Settled) -> None:
        """Cancelling refunds the paid amount."""
        client.post("/order/1001/cancel")
        settled()
        order = read(client, "/order/1001")
        assert (order["status"], order["payment_status"]) == ("cancelled", "refunded")
        assert payments_of(client)[-1] == ("payment.refunded", "4.50", "0.00")


def test_payment_by_invoice_charges_nothing(
    client: FlaskClient, settled: Settled, invoices: Invoices, gateway: Simulator
) -> None:
    """The invoice is open, and the order does not wait for a payment."""
    buy(client, "invoice", tea=2)
    [invoice] = invoices()
    assert (invoice["status"], invoice["payments"]) == ("open", [])
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("confirmed", "pending")
    assert gateway_requests(gateway) == []


def test_an_order_with_a_total_of_zero_is_paid(
    client: FlaskClient, settled: Settled, gateway: Simulator
) -> None:
    """The gateway gets no request for it."""
    gift = [{"product": "tea", "quantity": 1, "amount": "0.00"}]
    client.post("/order", json={"customer_name": "Ada", "items": gift})
    settled()
    assert read(client, "/order/1001")["payment_status"] == "paid"
    assert payments_of(client) == [("payment.captured", "0.00", "0.00")]
    assert gateway_requests(gateway) == []


def test_a_client_may_wait_for_the_payment(client: FlaskClient) -> None:
    """Prefer: wait answers after stock and payment are decided, with their outcome."""
    for method, status, payment in [
        ("approve", "confirmed", "paid"),
        ("decline", "failed", "failed"),
        ("invoice", "confirmed", "pending"),
    ]:
        request = request_for("Ada", tea=1) | {"payment_method": method}
        answer = client.post("/order", json=request, headers={"Prefer": "wait=10"})
        order = body(answer)
        assert (order["status"], order["payment_status"]) == (status, payment)


def test_an_unknown_method_is_refused(client: FlaskClient) -> None:
    """The refusal lists the known methods."""
    request = request_for("Ada", tea=1) | {"payment_method": "gold"}
    answer = client.post("/order", json=request)
    assert answer.status_code == 422
    [error] = body(answer)["errors"]
    assert error["pointer"] == "/payment_method"
    assert "approve or decline or timeout or down or invoice" in error["message"]
