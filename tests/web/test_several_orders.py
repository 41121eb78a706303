"""Several orders chosen on /desk: receipts, packing lists, cancelling."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.web.clerk.several_shipments import MAX_CHOSEN
from tests.over_http import place, read, request_for
from tests.web.page import Page

Settled = Callable[[], None]

PAGES = ("receipts", "packing-lists", "cancel")


@pytest.fixture(autouse=True)
def orders(client: FlaskClient, catalogue: dict[str, str], settled: Settled) -> None:
    """1001 and 1002 are ready and paid, 1003 waits for stock."""
    place(client, "Ada <i>", tea=2)
    place(client, "Grace", mug=1)
    place(client, "Joan", pot=3)
    settled()


def chosen(client: FlaskClient, name: str, *orders: object) -> Page:
    """Return a page with these orders chosen: chosen(client, "receipts", 1001, 1002)."""
    return Page(client.get(f"/desk/chosen/{name}", query_string={"order": orders}))


def cancel(client: FlaskClient, page: Page, *orders: object, reason: str = "") -> Page:
    """Return what follows when these orders of the page are cancelled."""
    form = page.form("/chosen/cancel")
    filled: dict[str, object] = {
        **form.filled(reason=reason),
        "order": [str(name) for name in orders],
    }
    return Page(client.post(form.action, data=filled))


def statuses(client: FlaskClient, settled: Settled) -> list[str]:
    """Return the statuses of the three orders."""
    settled()
    return [read(client, f"/order/{number}")["status"] for number in (1001, 1002, 1003)]


def test_orders_are_chosen_in_the_list(client: FlaskClient) -> None:
    """Each row has a box of one form, whose buttons lead to the pages."""
    answer = client.get("/desk")
    page = Page(answer)
    assert {"type": "checkbox", "form": "choose"}.items() <= page.fields["order"].items()
    assert "/desk/chosen/receipts" in page.forms
    for address in ("/desk/chosen/packing-lists", "/desk/chosen/cancel", "/shipping/chosen"):
        assert f'formaction="{address}"' in answer.text


def test_receipts_of_the_paid_are_on_one_page(client: FlaskClient, settled: Settled) -> None:
    """Each with its lines and payments; the others are named with the reason."""
    client.post("/order", json=request_for("Mary", tea=1) | {"payment_method": "decline"})
    settled()
    page = chosen(client, "receipts", 1001, 1002, 1004, 9999)
    assert page.status == 200
    assert "Customer Ada <i>" in page.text
    assert "Assam, 100 g 2 × 4.50 9.00" in page.text
    assert "Paid in all 9.00 EUR" in page.text
    assert "Customer Grace" in page.text
    assert "Still to be paid" not in page.text
    assert "Order 1004 has no receipt: nothing has been paid for it yet." in page.by_id["others"]
    assert "There is no order 9999." in page.by_id["others"]


def test_packing_lists_of_the_ready_are_on_one_page(client: FlaskClient) -> None:
    """An order that cannot leave is named with the reason."""
    page = chosen(client, "packing-lists", 1001, 1003)
    assert page.status == 200
    assert "Order 1001 Ada <i> 2 × Assam, 100 g" in page.text
    assert "Order 1002" not in page.text
    waits = "Order 1003 waits for stock; it cannot be shipped yet."
    assert waits in page.by_id["others"]


def test_cancelling_is_confirmed_first(client: FlaskClient, settled: Settled) -> None:
    """The page lists the chosen orders once; what cannot be cancelled has a reason and no box."""
    client.post("/shipment/1002/ship", json={"carrier": "DHL", "tracking_number": "JD2"})
    settled()
    page = chosen(client, "cancel", 1001, 1001, 1002, 1003, 9999)
    assert page.status == 200
    assert "Cancel 2 orders?" in page.text
    assert {"order-1001", "order-1003"} <= page.labels
    assert "order-1002" not in page.labels
    assert "Order 1002 is shipped; it stays as it is." in page.by_id["others"]
    assert "There is no order 9999." in page.by_id["others"]
    assert statuses(client, settled) == ["confirmed", "shipped", "backordered"]


def test_chosen_orders_are_cancelled_with_one_reason(client: FlaskClient, settled: Settled) -> None:
    """Each outcome is listed, and each order has the reason."""
    page = chosen(client, "cancel", 1001, 1003)
    after = cancel(client, page, 1001, 1003, reason="closed for <b>")
    assert after.status == 200
    assert "2 of 2 cancelled" in after.text
    assert "1001 cancelled" in after.text
    assert statuses(client, settled) == ["cancelled", "confirmed", "cancelled"]
    for number in (1001, 1003):
        details = [each["detail"] for each in read(client, f"/order/{number}")["history"]]
        assert "closed for <b>" in details


def test_one_refusal_holds_back_no_other(client: FlaskClient, settled: Settled) -> None:
    """An order that left, or was deleted, while the page was open is an outcome of its own."""
    page = chosen(client, "cancel", 1001, 1002, 1003)
    client.post("/shipment/1002/ship", json={"carrier": "DHL", "tracking_number": "JD2"})
    client.delete("/order/1001")
    settled()
    after = cancel(client, page, 1001, 1002, 1003)
    assert "1 of 3 cancelled" in after.text
    assert "1001 not: Order 1001 was deleted." in after.text
    assert "1002 not: Order 1002 is shipped" in after.text
    assert "1003 cancelled" in after.text
    settled()
    found = [read(client, f"/order/{number}")["status"] for number in (1002, 1003)]
    assert found == ["shipped", "cancelled"]


def test_a_bad_reason_cancels_nothing(client: FlaskClient, settled: Settled) -> None:
    """The error is at the field, with what was typed."""
    page = chosen(client, "cancel", 1001, 1002)
    after = cancel(client, page, 1001, 1002, reason="x" * 501)
    assert after.status == 422
    assert after.fields["reason"]["aria-invalid"] == "true"
    assert after.fields["reason"]["value"] == "x" * 501
    assert {"order-1001", "order-1002"} <= after.labels
    assert statuses(client, settled) == ["confirmed", "confirmed", "backordered"]


@pytest.mark.parametrize("name", PAGES)
def test_none_or_too_many_chosen_is_an_error(client: FlaskClient, name: str) -> None:
    """In words, with the way back to the list."""
    page = chosen(client, name)
    assert page.status == 422
    assert "Please check this" in page.text
    assert "Choose at least one order in the list." in page.text
    assert "/desk" in page.links
    assert chosen(client, name, *range(1001, 1001 + MAX_CHOSEN)).status == 200
    page = chosen(client, name, *range(1001, 1002 + MAX_CHOSEN))
    assert page.status == 422
    assert f"Choose at most {MAX_CHOSEN} orders at a time." in page.text


def test_a_form_without_orders_is_an_error(client: FlaskClient, settled: Settled) -> None:
    """All boxes of the confirmation can be cleared."""
    after = cancel(client, chosen(client, "cancel", 1001))
    assert after.status == 422
    assert "Choose at least one order in the list." in after.text
    assert statuses(client, settled) == ["confirmed", "confirmed", "backordered"]


def test_the_form_needs_its_token(client: FlaskClient, settled: Settled) -> None:
    """A form of another site cancels nothing."""
    answer = client.post("/desk/chosen/cancel", data={"order": ["1001"], "reason": ""})
    assert answer.status_code == 403
    assert statuses(client, settled)[0] == "confirmed"
