"""Erasing a customer on a page, for managers."""

import pytest
from flask.testing import FlaskClient

from app.kernel.personal_data import ERASED_NAME
from app.server.runtime import Runtime
from app.web.clerk.several_shipments import MAX_CHOSEN
from tests.conftest import settle
from tests.over_http import read, request_for
from tests.web.page import Page

EMAIL = "ada@example.org"


@pytest.fixture(autouse=True)
def orders(client: FlaskClient, runtime: Runtime, catalogue: dict[str, str]) -> None:
    """1001 is cancelled, 1002 shipped and not paid, 1003 confirmed; 1004 is another customer's."""
    for email in (EMAIL, EMAIL.title(), EMAIL, "bo@example.org"):
        asked = request_for("Ada <i>", tea=1) | {"customer_email": email}
        assert client.post("/order", json=asked | {"payment_method": "invoice"}).status_code == 201
    settle(runtime)
    client.post("/order/1001/cancel")
    client.post("/shipment/1002/ship", json={"carrier": "DHL", "tracking_number": "7"})
    settle(runtime)


def forget(client: FlaskClient, *orders: str, **fields: str) -> Page:
    """Return what follows when the form is sent with these orders chosen."""
    form = Page(client.get("/desk/1001/forget")).form("/desk/1001/forget")
    return Page(client.post(form.action, data={**form.filled(**fields), "order": list(orders)}))


def names(client: FlaskClient) -> list[str]:
    """Return the names of the customers that are left, of the four orders."""
    found = [read(client, f"/order/{number}") for number in (1001, 1002, 1003, 1004)]
    return ["" if each["customer_name"] == ERASED_NAME else each["link"][:4] for each in found]


def test_the_orders_of_the_customer_are_offered(client: FlaskClient) -> None:
    """The order's page leads there; an order under way is named with the reason."""
    assert "/desk/1001/forget" in Page(client.get("/desk/1001")).links
    assert "/desk/1003/forget" not in Page(client.get("/desk/1003")).links
    page = Page(client.get("/desk/1001/forget"))
    assert page.status == 200
    assert "1001 Ada <i>" in page.text and "1002 Ada <i>" in page.text
    assert "1004" not in page.text
    assert "Order 1003 is confirmed, so the shop" in page.by_id["others"]


def test_the_chosen_orders_are_erased(client: FlaskClient, runtime: Runtime) -> None:
    """Others stay; the order's page says who erased it, and offers it no more."""
    page = forget(client, "1001")
    assert "The customer of order 1001 was erased" in page.by_id["outcomes"]
    assert names(client) == ["", "1002", "1003", "1004"]
    shown = Page(client.get("/desk/1001"))
    assert "The back office erased the customer’s personal data." in shown.text
    assert "/desk/1001/forget" not in shown.links
    again = Page(client.get("/desk/1001/forget"))
    assert "Order 1001 has no customer any more." in again.by_id["others"]


def test_what_is_due_must_be_settled(client: FlaskClient) -> None:
    """The outcome says what is due; with the box ticked the customer is erased."""
    assert "4.50 EUR of order 1002 are not paid" in forget(client, "1002").by_id["outcomes"]
    assert names(client) == ["1001", "1002", "1003", "1004"]
    forget(client, "1002", settled="1")
    assert names(client) == ["1001", "", "1003", "1004"]


def test_an_order_under_way_is_left(client: FlaskClient) -> None:
    """Also when the form was open before it was."""
    assert "Order 1003 is confirmed" in forget(client, "1003").by_id["outcomes"]
    assert names(client) == ["1001", "1002", "1003", "1004"]


@pytest.mark.parametrize("chosen", [(), tuple(map(str, range(MAX_CHOSEN + 1)))])
def test_none_and_too_many_are_refused(client: FlaskClient, chosen: tuple[str, ...]) -> None:
    """The form is shown again with the reason."""
    assert f"Choose 1 to {MAX_CHOSEN} orders." in forget(client, *chosen).text
    assert names(client) == ["1001", "1002", "1003", "1004"]
