"""Each order has one invoice, which follows the order."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.billing import service
from app.billing.documents import INVOICES
from app.server.runtime import Runtime
from tests.billing.conftest import Invoices
from tests.over_http import place
from tests.transactions import transaction

pytestmark = pytest.mark.usefixtures("catalogue")


def test_a_placed_order_gets_an_invoice(client: FlaskClient, invoices: Invoices) -> None:
    """The invoice has the order's customer, lines and total; it is open, and its history starts."""
    order = place(client, tea=2, mug=1)
    [invoice] = invoices()
    assert (invoice["order_id"], invoice["order_number"]) == (order["order_id"], order["number"])
    assert (invoice["items"], invoice["total_amount"]) == (order["items"], "21.00")
    assert (invoice["status"], invoice["customer_name"]) == ("open", "Ada")
    assert [step["event"] for step in invoice["history"]] == ["made"]


def test_invoices_are_numbered_without_gap(client: FlaskClient, invoices: Invoices) -> None:
    """Invoice numbers have no gap, also when an order in between ends before it is billed."""
    for _ in range(3):
        place(client, tea=1)
    assert [invoice["invoice_number"] for invoice in invoices()] == [1, 2, 3]


def test_a_changed_order_adjusts_its_invoice(client: FlaskClient, invoices: Invoices) -> None:
    """The same invoice gets the new lines, and its history has both totals."""
    order = place(client, tea=2)
    invoices()
    patch = {"items": [{"product": "tea", "quantity": 3}]}
    assert client.patch(f"/order/{order['number']}", json=patch).status_code == 200
    [invoice] = invoices()
    assert (invoice["invoice_number"], invoice["total_amount"]) == (1, "13.50")
    told = [(step["event"], step["total_amount"]) for step in invoice["history"]]
    assert told == [("made", "9.00"), ("adjusted", "13.50")]


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_the_invoice_of_an_order_that_ended_is_voided(
    client: FlaskClient, invoices: Invoices, how: str
) -> None:
    """The invoice is kept with the status void."""
    order = place(client, tea=2)
    invoices()
    if how == "cancel":
        client.post(f"/order/{order['number']}/cancel")
    else:
        client.delete(f"/order/{order['number']}")
    [invoice] = invoices()
    assert invoice["status"] == "void"
    assert [step["event"] for step in invoice["history"]] == ["made", "voided"]


def test_a_repeated_event_changes_nothing(
    app: Flask, client: FlaskClient, invoices: Invoices
) -> None:
    """A repeated or late event leaves the invoice as it is."""
    order = place(client, tea=2)
    before = invoices()
    runtime: Runtime = app.extensions["daybook"]
    with transaction(runtime.store) as tx:
        assert service.reconcile_invoice(tx, order["order_id"]) is None
    assert invoices() == before


def test_an_order_that_ended_before_it_was_billed_gets_no_invoice(
    app: Flask, client: FlaskClient
) -> None:
    """Late events of an ended order make no invoice."""
    order = place(client, tea=2)
    client.post(f"/order/{order['number']}/cancel")
    runtime: Runtime = app.extensions["daybook"]
    with transaction(runtime.store) as tx:
        tx.delete(INVOICES.name, order["order_id"])
        assert service.reconcile_invoice(tx, order["order_id"]) is None
        assert tx.get(INVOICES.name, order["order_id"]) is None
