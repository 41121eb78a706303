"""The story of an address and a tax, from the shop's page to the receipt. Read it as a tutorial.

Both are optional. An order without an address, of products without a tax rate, stays as in the
other stories: no document, response or receipt has a word of either.
"""

from collections.abc import Callable
from dataclasses import replace

import pypdfium2
import pytest
from flask.testing import FlaskClient

from app.config import Config
from tests.over_http import body, read
from tests.shipping.conftest import PARCEL
from tests.web.page import Page

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """The shop has a tax number (DAYBOOK_SHOP_TAX_NUMBER)."""
    return replace(config, shop_tax_number="DE123456789")


def receipt(client: FlaskClient) -> str:
    """The text of the receipt of order 1001."""
    with pypdfium2.PdfDocument(client.get("/order/1001/receipt.pdf").data) as document:
        text: str = document[0].get_textpage().get_text_bounded()
    return text.replace("\r\n", " ")


@pytest.mark.usefixtures("catalogue")
def test_a_parcel_goes_to_its_address_and_its_receipt_states_the_tax(
    client: FlaskClient, settled: Settled
) -> None:
    """Asked for on the form → corrected → packed → shipped; taxed as on the day of the order."""
    # The manager states the taxes that the prices include: tea is food, a mug is not.
    client.patch("/product/tea", json={"tax_rate": "7"})
    client.patch("/product/mug", json={"tax_rate": "19"})

    # A customer orders on the shop's page. The parcel is a gift, so it has another name on it.
    typed = {"name": "Ada Lovelace", "recipient": "Charles Babbage", "street": "1 Dorset Street"}
    typed |= {"postal_code": "W1U 4EG", "city": "London", "country": "GB"}
    form = Page(client.get("/")).filled(tea="2", mug="1", place="1", **typed)
    assert client.post("/", data=form).status_code == 303
    settled()
    order = read(client, "/order/1001")
    assert order["shipping_address"] == {
        "name": "Charles Babbage",
        "lines": ["1 Dorset Street"],
        "postal_code": "W1U 4EG",
        "city": "London",
        "country": "GB",
    }
    assert {line["product"]: line["tax_rate"] for line in order["items"]} == {
        "tea": "7",
        "mug": "19",
    }

    # A clerk corrects the street. A patch is merged: what it leaves out stays.
    change = {"shipping_address": {"lines": ["1 Dorset Street", "Marylebone"]}}
    assert client.patch("/order/1001", json=change).status_code == 200

    # The warehouse packs from the list, which has the address as it is now.
    packing_list = Page(client.get("/shipping/list")).text
    assert "Charles Babbage 1 Dorset Street Marylebone W1U 4EG London United" in packing_list

    # Once the parcel has left, its address stays.
    settled()
    assert client.post("/shipment/1001/ship", json=PARCEL).status_code == 200
    answer = client.patch("/order/1001", json={"shipping_address": None})
    assert (answer.status_code, body(answer)["order_status"]) == (409, "shipped")

    # Taxes change on the first of the month; the receipt states those of the order's day. They are
    # in the total: 9.00 × 7 / 107 and 12.00 × 19 / 119, each rounded once.
    client.patch("/product/mug", json={"tax_rate": "21"})
    text = receipt(client)
    assert "Tax number DE123456789" in text
    assert "Ship to Charles Babbage 1 Dorset Street Marylebone W1U 4EG London United" in text
    assert "Total 21.00 EUR 19% tax, included in 12.00 EUR 1.92 EUR" in text
    assert "7% tax, included in 9.00 EUR 0.59 EUR" in text

    # No event has the address: a subscriber that needs it reads the order.
    events = client.get("/event").text + client.get("/order/1001/events").text
    assert "Babbage" not in events
    assert "Dorset" not in events
