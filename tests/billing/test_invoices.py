"""One invoice for each order, which says what the order says."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.billing import service
from app.billing.service import INVOICES
from app.server.runtime import Runtime
from tests.billing.conftest import Invoices
from tests.over_http import place

pytestmark = pytest.mark.usefixtures("catalogue")


def test_an_order_gets_an_invoice_over_what_it_says(
    client: FlaskClient, invoices: Invoices
) -> None:
    """Customer, lines and total are the order's; it is open, and its history begins."""
    order = place(client, tea=2, mug=1)
    [invoice] = invoices()
    assert (invoice["order_id"], invoice["order_number"]) == (order["order_id"], order["number"])
    assert (invoice["items"], invoice["total_amount"]) == (order["items"], "21.00")
    assert (invoice["status"], invoice["customer_name"]) == ("open", "Ada")
    assert [step["event"] for step in invoice["history"]] == ["made"]


def test_invoices_are_numbered_without_gap(client: FlaskClient, invoices: Invoices) -> None:
    """As tax offices want it; also when an order between them ends before it is billed."""
    for _ in range(3):
        place(client, tea=1)
    assert [invoice["invoice_number"] for invoice in invoices()] == [1, 2, 3]


def test_a_changed_order_adjusts_its_invoice(client: FlaskClient, invoices: Invoices) -> None:
    """The same invoice with the new lines; the history tells of both totals."""
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
    """It is kept, for the books, but no longer asks for money."""
    order = place(client, tea=2)
    invoices()
    if how == "cancel":
        client.post(f"/order/{order['number']}/cancel")
    else:
        client.delete(f"/order/{order['number']}")
    [invoice] = invoices()
    assert invoice["status"] == "void"
    assert [step["event"] for step in invoice["history"]] == ["made", "voided"]


def test_doing_it_again_changes_nothing(
    app: Flask, client: FlaskClient, invoices: Invoices
) -> None:
    """An event that comes twice, or late, finds the invoice as it should be."""
    order = place(client, tea=2)
    before = invoices()
    runtime: Runtime = app.extensions["daybook"]
    with runtime.store.transaction() as tx:
        assert service.settle(tx, order["order_id"]) is None
    assert invoices() == before


def test_an_order_that_ended_before_it_was_billed_gets_no_invoice(
    app: Flask, client: FlaskClient
) -> None:
    """Its events come late, and there is nothing to ask money for."""
    order = place(client, tea=2)
    client.post(f"/order/{order['number']}/cancel")
    runtime: Runtime = app.extensions["daybook"]
    with runtime.store.transaction() as tx:
        tx.delete(INVOICES.name, order["order_id"])
        assert service.settle(tx, order["order_id"]) is None
        assert tx.get(INVOICES.name, order["order_id"]) is None
