"""The stories of payment: what the customer, the books and the gateway see of each."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.billing.simulator import OUTAGE_CALLS, Simulator
from app.config import Config
from tests.billing.conftest import Document, Invoices, Settled, heard
from tests.over_http import body, read, request_for

pytestmark = pytest.mark.usefixtures("catalogue")


def buy(client: FlaskClient, method: str, /, **quantities: int) -> Document:
    """Place an order to be paid by `method`."""
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


def told(client: FlaskClient, order: str = "1001") -> list[tuple[str, str, str]]:
    """(type, amount, paid in all) of each payment event."""
    return [
        (event["type"], event["data"]["payment"]["amount"], event["data"]["paid"])
        for event in payment_events(client, order)
    ]


def test_an_order_is_paid(
    client: FlaskClient, settled: Settled, invoices: Invoices, gateway: Simulator
) -> None:
    """payment.captured tells of it; the order, the invoice and the gateway agree."""
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
    assert heard(gateway) == [("charge", "21.00", True, 1)]


def test_a_declined_payment_fails_the_order_and_frees_its_stock(
    client: FlaskClient, settled: Settled, invoices: Invoices
) -> None:
    """payment.failed → the order fails with the reason → order.cancelled → stock, void invoice."""
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
    """The gateway took the money, but its answer got lost; asked again, it says so again."""
    buy(client, "timeout", tea=2)
    settled()
    assert read(client, "/order/1001")["payment_status"] == "paid"
    assert heard(gateway) == [("charge", "9.00", True, 2)]
    [placed, *_] = read(client, "/order/1001/events")["events"]
    [line] = placed["deliveries"]["billing"]["log"]
    assert line["error"] == "Unavailable: The payment gateway did not answer in time."


def test_a_gateway_that_is_down_is_waited_for(
    client: FlaskClient, settled: Settled, gateway: Simulator
) -> None:
    """Stock is held meanwhile; the payment comes when the gateway is up again."""
    buy(client, "down", tea=2)
    settled()
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert heard(gateway) == [("charge", "9.00", True, OUTAGE_CALLS + 1)]


def test_a_payment_that_was_given_up_is_replayed(
    client: FlaskClient, settled: Settled, gateway: Simulator
) -> None:
    """The gateway is down for longer than billing tries: failure.json, then a replay."""
    client.put("/fault/billing", json={"mode": "fail"})
    buy(client, "approve", tea=2)
    settled()
    [failure] = read(client, "/failure")["failures"]
    assert failure["handler"] == "billing"
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("confirmed", "pending")
    assert heard(gateway) == []

    client.delete("/fault/billing")
    assert body(client.post("/failure/replay", json={"all": True})) == {"replayed": 1}
    settled()
    assert read(client, "/order/1001")["payment_status"] == "paid"
    assert heard(gateway) == [("charge", "9.00", True, 1)]


@pytest.mark.parametrize("ending", ["cancel", "delete"])
def test_an_order_that_ends_is_refunded(
    client: FlaskClient, settled: Settled, invoices: Invoices, gateway: Simulator, ending: str
) -> None:
    """All that was paid goes back, and payment.refunded tells of it."""
    order = buy(client, "approve", tea=2)
    settled()
    client.post("/order/1001/cancel") if ending == "cancel" else client.delete("/order/1001")
    [invoice] = invoices()
    assert (invoice["status"], invoice["paid"], invoice["payment_status"]) == (
        "void",
        "0.00",
        "refunded",
    )
    assert told(client, order["order_id"]) == [
        ("payment.captured", "9.00", "9.00"),
        ("payment.refunded", "9.00", "0.00"),
    ]
    assert heard(gateway) == [("charge", "9.00", True, 1), ("refund", "9.00", True, 1)]
    if ending == "cancel":
        cancelled = read(client, "/order/1001")
        assert (cancelled["status"], cancelled["payment_status"]) == ("cancelled", "refunded")


def test_who_takes_a_shipped_order_out_of_the_books_gives_nothing_back(
    client: FlaskClient, settled: Settled, invoices: Invoices, take_out: Callable[[str], None]
) -> None:
    """The goods are gone, and the sale stands."""
    order = buy(client, "approve", tea=2)
    settled()
    parcel = {"carrier": "DHL", "tracking_number": "JD0146"}
    assert client.post("/shipment/1001/ship", json=parcel).status_code == 200
    take_out(order["order_id"])
    [invoice] = invoices()
    assert (invoice["status"], invoice["paid"]) == ("open", "9.00")


class TestShippedUnpaid:
    """A shop that does not wait for the payment: DAYBOOK_SHIP_WHEN=reserved."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return replace(config, ship_when="reserved")

    @pytest.mark.parametrize("heard_first", [False, True], ids=["of nothing", "before a change"])
    def test_it_is_paid_though_it_was_gone_before_billing_knew(
        self,
        client: FlaskClient,
        settled: Settled,
        invoices: Invoices,
        take_out: Callable[[str], None],
        heard_first: bool,
    ) -> None:
        """Billing was out of order all the while; the customer has the goods, and pays for them."""
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
    """The order stays paid."""
    buy(client, "approve", tea=4)
    settled()
    change(client, **lines(tea=1))
    [invoice] = invoices()
    assert (invoice["total_amount"], invoice["paid"]) == ("4.50", "4.50")
    assert told(client)[1] == ("payment.refunded", "13.50", "4.50")
    assert read(client, "/order/1001")["payment_status"] == "paid"


def test_a_larger_total_captures_the_difference(client: FlaskClient, settled: Settled) -> None:
    buy(client, "approve", tea=1)
    settled()
    change(client, **lines(tea=3))
    settled()
    assert told(client)[1] == ("payment.captured", "9.00", "13.50")


def test_a_refund_of_two_captures_gives_back_each(
    client: FlaskClient, settled: Settled, gateway: Simulator
) -> None:
    """A gateway gives back a charge, not an amount: the newest first."""
    buy(client, "approve", tea=1)
    settled()
    change(client, **lines(tea=3))
    settled()
    client.post("/order/1001/cancel")
    settled()
    charges_and_refunds = [(kind, amount) for kind, amount, _, _ in heard(gateway)]
    assert charges_and_refunds == [
        ("charge", "4.50"),
        ("charge", "9.00"),
        ("refund", "9.00"),
        ("refund", "4.50"),
    ]
    assert told(client)[-1] == ("payment.refunded", "4.50", "0.00")


class TestDeclinedDifference:
    """A paid order that comes to cost more, and the card does not bear it."""

    @pytest.fixture(autouse=True)
    def declined(self, client: FlaskClient, catalogue: dict[str, str], settled: Settled) -> None:
        buy(client, "approve", tea=1)
        settled()
        change(client, payment_method="decline", **lines(tea=3))
        settled()

    def test_the_order_stands_and_says_that_it_is_not_paid(self, client: FlaskClient) -> None:
        """What was paid stays paid, what is held stays held; nobody ships it as paid."""
        order = read(client, "/order/1001")
        assert (order["status"], order["payment_status"]) == ("confirmed", "failed")
        assert order["history"][-1]["event"] == "payment failed"
        assert order["history"][-1]["detail"] == "4.50 EUR paid: the card was declined"
        assert told(client)[-1] == ("payment.failed", "9.00", "4.50")
        assert read(client, "/product/tea")["reserved"] == 3

    def test_another_method_pays_it(self, client: FlaskClient, settled: Settled) -> None:
        change(client, payment_method="approve")
        settled()
        assert read(client, "/order/1001")["payment_status"] == "paid"
        assert told(client)[-1] == ("payment.captured", "9.00", "13.50")

    def test_a_change_back_needs_no_payment(self, client: FlaskClient, settled: Settled) -> None:
        """It costs again what was paid; payment.captured tells so with that payment."""
        change(client, **lines(tea=1))
        settled()
        assert read(client, "/order/1001")["payment_status"] == "paid"
        assert told(client)[-1] == ("payment.captured", "4.50", "4.50")
        events = [record["event"] for record in read(client, "/order/1001/events")["events"]]
        paid = [event["data"]["again"] for event in events if event["type"] == "payment.captured"]
        assert paid == [False, True]

    def test_it_is_not_asked_for_again_without_a_reason(
        self, client: FlaskClient, settled: Settled, gateway: Simulator
    ) -> None:
        """Another name on the order is none."""
        before = heard(gateway)
        change(client, customer_name="Bo")
        settled()
        assert heard(gateway) == before

    def test_it_can_be_cancelled(self, client: FlaskClient, settled: Settled) -> None:
        """What was paid goes back."""
        client.post("/order/1001/cancel")
        settled()
        order = read(client, "/order/1001")
        assert (order["status"], order["payment_status"]) == ("cancelled", "refunded")
        assert told(client)[-1] == ("payment.refunded", "4.50", "0.00")


def test_by_invoice_nobody_is_charged(
    client: FlaskClient, settled: Settled, invoices: Invoices, gateway: Simulator
) -> None:
    """The invoice is open, and the order waits for nothing."""
    buy(client, "invoice", tea=2)
    [invoice] = invoices()
    assert (invoice["status"], invoice["payments"]) == ("open", [])
    order = read(client, "/order/1001")
    assert (order["status"], order["payment_status"]) == ("confirmed", "pending")
    assert heard(gateway) == []


def test_an_order_over_nothing_is_paid(
    client: FlaskClient, settled: Settled, gateway: Simulator
) -> None:
    """No gateway charges nothing, so none is asked."""
    gift = [{"product": "tea", "quantity": 1, "amount": "0.00"}]
    client.post("/order", json={"customer_name": "Ada", "items": gift})
    settled()
    assert read(client, "/order/1001")["payment_status"] == "paid"
    assert told(client) == [("payment.captured", "0.00", "0.00")]
    assert heard(gateway) == []


def test_a_client_may_wait_for_the_payment(client: FlaskClient) -> None:
    """Prefer: wait answers when stock and payment are settled, with what came of them."""
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
    """The answer lists those there are."""
    request = request_for("Ada", tea=1) | {"payment_method": "gold"}
    answer = client.post("/order", json=request)
    assert answer.status_code == 422
    [error] = body(answer)["errors"]
    assert error["pointer"] == "/payment_method"
    assert "approve or decline or timeout or down or invoice" in error["message"]
