"""Payments: a check finds what does not follow, and the repair asks the gateway."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.billing.documents import INVOICES
from app.billing.simulator import Simulator
from app.config import Config
from app.orders.documents import ORDERS
from app.server.runtime import Runtime
from app.store import Document
from tests.audit.conftest import Edit, Settled, differences, repaired
from tests.transactions import transaction

LOST: Document = {"payments": [], "paid": "0.00", "payment_status": "pending"}


@pytest.fixture
def gateway(config: Config) -> Simulator:
    """The gateway that the shop asks, as another of its clients sees it."""
    return Simulator(config.data / "gateway")


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        ({"paid": "5.00"}, "paid of invoice 1: expected 21.00, found 5.00"),
        ({"payment_status": "failed"}, "payment_status of invoice 1: expected paid, found failed"),
        (LOST, "payments of invoice 1: expected nothing due, found a capture of 21.00"),
    ],
)
def test_an_invoice_that_does_not_add_up(
    runtime: Runtime,
    edit: Edit,
    order: dict[str, Any],
    gateway: Simulator,
    settled: Settled,
    fields: Document,
    difference: str,
) -> None:
    """The gateway repeats its answer, and charges nothing twice."""
    before = edit(INVOICES.name, order["order_id"])
    edit(INVOICES.name, order["order_id"], **fields)
    assert differences(runtime) == [difference]
    repaired(runtime)
    settled()
    assert differences(runtime) == []
    after = edit(INVOICES.name, order["order_id"])
    assert (after["paid"], after["payment_status"]) == ("21.00", "paid")
    assert [each["reference"] for each in after["payments"]] == [
        each["reference"] for each in before["payments"]
    ]
    assert len(gateway.requests()) == 1


def test_an_invoice_that_is_lost_with_its_payments(
    runtime: Runtime, order: dict[str, Any], gateway: Simulator, settled: Settled
) -> None:
    """It is made anew under a new number; the customer pays nothing again."""
    with transaction(runtime.store) as tx:
        tx.delete(INVOICES.name, order["order_id"])
    assert repaired(runtime) == []
    settled()
    assert differences(runtime) == []
    [request] = gateway.requests()
    assert (request["amount"], request["calls"]) == ("21.00", 2)


def test_an_order_that_contradicts_its_invoice(
    runtime: Runtime, edit: Edit, order: dict[str, Any]
) -> None:
    """The invoice has the payments, so it is right."""
    edit(ORDERS.name, order["order_id"], payment_status="refunded")
    assert differences(runtime) == ["payment_status of order 1001: expected paid, found refunded"]
    assert repaired(runtime) == []


def test_a_refund_that_was_never_made(
    runtime: Runtime,
    client: FlaskClient,
    edit: Edit,
    order: dict[str, Any],
    gateway: Simulator,
    settled: Settled,
) -> None:
    """The payment of a deleted order is refunded, too, and an event is emitted."""
    client.delete("/order/1001")
    settled()
    invoice = edit(INVOICES.name, order["order_id"])
    fields = {"payments": invoice["payments"][:1], "paid": "21.00", "payment_status": "paid"}
    edit(INVOICES.name, order["order_id"], **fields)
    assert differences(runtime) == [
        "payments of invoice 1: expected nothing due, found a refund of 21.00"
    ]
    repaired(runtime)
    settled()
    assert differences(runtime) == []
    assert [each["calls"] for each in gateway.requests()] == [1, 2]
