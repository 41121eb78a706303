"""The customer's page of an order tells where the order is, and why it ended."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.kernel.payment_methods import APPROVE, DECLINE
from tests.over_http import place, read, request_for
from tests.web.page import Page, send

Settled = Callable[[], None]


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Every test here orders from the catalogue."""


def customers_page(client: FlaskClient, order: dict[str, str]) -> Page:
    """Return the customer's page of the order."""
    return Page(client.get(f"/orders/{order['link']}"))


@pytest.mark.parametrize(
    ("carrier", "address"),
    [
        ("DHL Express", "https://www.dhl.com/global-en/home/tracking/tracking-parcel.html"
         "?tracking-id=JD%2F01%2046"),
        ("Cousin Bo", None),
    ],
)  # fmt: skip
def test_a_shipped_order_can_be_tracked(
    client: FlaskClient, settled: Settled, carrier: str, address: str | None
) -> None:
    """Carrier and tracking number; the number is a link where the carrier is known."""
    order = place(client, tea=1)
    settled()
    parcel = {"carrier": carrier, "tracking_number": "JD/01 46"}
    client.post("/shipment/1001/ship", json=parcel)
    settled()
    page = customers_page(client, order)
    assert f"Carrier {carrier} Tracking JD/01 46" in page.text
    assert [link for link in page.links if link.startswith("https:")] == [address] * bool(address)


def test_a_waiting_order_waits_in_its_path(client: FlaskClient, settled: Settled) -> None:
    """Between placed and confirmed, with the steps ahead of it."""
    order = place(client, pot=2)
    settled()
    steps = customers_page(client, order).by_id["steps"]
    names = ("placed", "Waiting for stock", "confirmed", "shipped", "delivered")
    assert sorted(names, key=steps.index) == list(names)


def test_a_cancelled_order_says_who_and_what_was_paid_back(
    client: FlaskClient, settled: Settled
) -> None:
    """By the customer or by the shop; nothing is said to be ahead of it."""
    own, other = place(client, tea=2), place(client, tea=1)
    settled()
    send(client, customers_page(client, own), "/cancel", reason="too late")
    client.post("/order/1002/cancel", json={"reason": "ordered twice"})
    settled()
    page = customers_page(client, own)
    assert "Reason: too late Cancelled by you on" in page.text
    assert "9.00 EUR were paid back on" in page.by_id["state"]
    assert "shipped" not in page.by_id["steps"]
    assert "Reason: ordered twice Cancelled by the shop on" in customers_page(client, other).text


def test_a_declined_order_can_be_ordered_again(client: FlaskClient, settled: Settled) -> None:
    """The lines go into the basket, besides those that it has; nothing was charged."""
    order = client.post("/order", json=request_for(tea=2) | {"payment_method": DECLINE}).get_json()
    settled()
    page = customers_page(client, order)
    assert "Reason: payment declined: the card was declined" in page.text
    assert "You have not been charged." in page.by_id["state"]
    basket = {"place": "", "quantity.mug": "3", "name": "Bo"}
    form = Page(client.get("/")).filled(mug="3")
    client.post("/", data=form | basket | {"find": ""})
    client.set_cookie("daybook_basket", "quantity.mug=3&name=Bo")
    shop = send(client, page, "/again")
    assert shop.fields["quantity.tea"]["value"] == "2"
    assert shop.fields["quantity.mug"]["value"] == "3"
    assert shop.fields["name"]["value"] == "Ada"


def test_a_declined_difference_is_paid_by_another_method(
    client: FlaskClient, settled: Settled
) -> None:
    """The order goes on; the button requests the amount that was declined."""
    order = place(client, tea=1)
    settled()
    dearer = {"items": [{"product": "tea", "quantity": 3}], "payment_method": DECLINE}
    client.patch("/order/1001", json=dearer)
    settled()
    page = customers_page(client, order)
    assert "The payment of 9.00 EUR was declined: the card was declined." in page.by_id["pay"]
    after = send(client, page, "/pay", payment_method=APPROVE)
    assert after.status == 200
    settled()
    assert read(client, "/order/1001")["payment_status"] == "paid"
    assert "declined" not in customers_page(client, order).by_id.get("pay", "")


def test_only_what_was_declined_is_paid_again(client: FlaskClient, settled: Settled) -> None:
    """409 for an order that is paid; its method stays, so nobody turns a card into an invoice."""
    order = place(client, tea=1)
    settled()
    form = customers_page(client, order).form("/cancel").filled()
    form.pop("reason")
    address = f"/orders/{order['link']}/pay"
    answer = client.post(address, data=form | {"payment_method": "invoice"})
    assert answer.status_code == 409
    assert "No payment of order 1001 is declined now." in Page(answer).text
    assert read(client, "/order/1001")["payment_method"] == APPROVE


def test_the_page_names_the_mails(client: FlaskClient, settled: Settled) -> None:
    """Each that was sent, with its time and the masked address that it went to."""
    request = request_for(tea=1) | {"customer_email": "ada@example.org"}
    order = client.post("/order", json=request).get_json()
    settled()
    client.patch("/order/1001", json={"customer_email": "ada@example.com"})
    settled()
    sent = " ".join(customers_page(client, order).by_id["sent"].split())
    assert "Your order was changed to ***@example.com" in sent
    assert "We have your order to ***@example.org" in sent


def test_an_order_without_an_address_has_no_mails(client: FlaskClient, settled: Settled) -> None:
    """The page does not claim that one was sent."""
    order = place(client, tea=1)
    settled()
    assert "Mail to you" not in customers_page(client, order).text
