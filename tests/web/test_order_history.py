"""The back office's page of an order is there to be read: its history is in words."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.kernel.payment_methods import DECLINE, INVOICE
from app.web.clerk.order_history import MAX_SENTENCES
from tests.over_http import place, request_for
from tests.web.page import Page, send

Settled = Callable[[], None]


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Every test here orders from the catalogue."""


def history(client: FlaskClient) -> str:
    """Return the history of order 1001 as its page tells it."""
    return " ".join(Page(client.get("/desk/1001")).by_id["history"].split())


def test_a_change_is_told_in_words(client: FlaskClient, settled: Settled) -> None:
    """Each quantity, price and product, and the customer; no names of fields."""
    place(client, tea=2, mug=1)
    settled()
    items = [{"product": "tea", "quantity": 3, "amount": "4.00"}, {"product": "pot", "quantity": 1}]
    change = {"items": items, "customer_name": "Grace", "payment_method": INVOICE}
    client.patch("/order/1001", json=change)
    settled()
    told = history(client)
    for sentence in (
        "The back office placed the order.",
        "The back office changed the quantity of Assam, 100 g from 2 to 3.",
        "The back office changed the price of Assam, 100 g from 4.50 to 4.00.",
        "The back office removed Mug.",
        "The back office added 1 × Teapot.",
        "The back office changed the name from Ada to Grace.",
        "The back office changed the payment from “Card (test: approved)” to “On invoice”.",
        "Invoice 1 was issued.",
        "Invoice 1 was adjusted.",
    ):
        assert sentence in told
    text = Page(client.get("/desk/1001")).text
    assert not [word for word in ("Version", "total_amount", "local") if word in text]


def test_a_change_of_many_lines_is_told_in_short(client: FlaskClient, settled: Settled) -> None:
    """The first changes, and how many more there are."""
    skus = [f"pen-{n}" for n in range(MAX_SENTENCES + 2)]
    for sku in skus:
        client.post("/product", json={"sku": sku, "name": sku, "price": "1.00", "quantity": 9})
    place(client, tea=1)
    settled()
    items = [{"product": sku, "quantity": 1} for sku in ("tea", *skus)]
    client.patch("/order/1001", json={"items": items})
    assert "added 1 × pen-9. and 2 more changes." in history(client)


def test_the_history_names_mails_and_their_addresses(client: FlaskClient, settled: Settled) -> None:
    """Each is a link to the mail as it was sent."""
    request = request_for(tea=1) | {"customer_email": "ada@example.org"}
    client.post("/order", json=request)
    settled()
    page = Page(client.get("/desk/1001"))
    assert "Mail Receipt for your order sent to ada@example.org" in page.text
    mails = [link for link in page.links if link.startswith("/mail/")]
    assert mails
    assert {client.get(link).status_code for link in mails} == {200}


def test_a_cancelled_order_says_who_cancelled_it(client: FlaskClient, settled: Settled) -> None:
    """By whom, when and why; and what was paid back."""
    place(client, tea=1)
    settled()
    send(client, Page(client.get("/desk/1001")), "/cancel", reason="ordered twice")
    settled()
    page = Page(client.get("/desk/1001"))
    assert "Cancelled by the back office" in page.text
    assert "The back office cancelled the order: ordered twice." in history(client)
    assert "Paid back" in page.by_id["payments"]
    assert "−4.50 EUR" in page.by_id["payments"]


def test_a_declined_payment_is_listed(client: FlaskClient, settled: Settled) -> None:
    """With the gateway's reason."""
    client.post("/order", json=request_for(tea=1) | {"payment_method": DECLINE})
    settled()
    payments = Page(client.get("/desk/1001")).by_id["payments"]
    assert "Payment declined: the card was declined" in payments


def test_a_ready_order_leads_to_its_shipment(client: FlaskClient, settled: Settled) -> None:
    """First what one needs next: ship, receipt, edit."""
    place(client, tea=1)
    settled()
    words = Page(client.get("/desk/1001")).by_id["actions"].split()
    assert words[:3] == ["Ship", "Receipt", "Edit"]


def test_an_edit_is_a_second_step(client: FlaskClient, settled: Settled) -> None:
    """The page has no form for it; afterwards it says that the order was saved."""
    place(client, tea=1)
    settled()
    assert "/desk/1001" not in Page(client.get("/desk/1001")).forms
    form = Page(client.get("/desk/1001/edit"))
    saved = send(client, form, "/desk/1001", customer_name="Grace")
    assert "Saved." in saved.text
    assert "Customer Grace" in saved.text


def test_an_order_that_has_ended_has_no_form(client: FlaskClient, settled: Settled) -> None:
    """Its edit page leads to the order; an edit that came too late says why it was refused."""
    place(client, tea=1)
    settled()
    form = Page(client.get("/desk/1001/edit"))
    client.post("/order/1001/cancel")
    settled()
    answer = client.get("/desk/1001/edit")
    assert (answer.status_code, answer.location) == (303, "/desk/1001")
    refused = send(client, form, "/desk/1001", customer_name="Grace")
    assert refused.status in (409, 412)
    assert "Please check this" in refused.text
