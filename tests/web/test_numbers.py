"""Amounts and counts on pages: their thousands are separated where people read them."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.inventory.service import add_product
from app.server.runtime import Runtime
from tests.transactions import transaction
from tests.web.page import Page

pytestmark = pytest.mark.usefixtures("order")


@pytest.fixture
def order(client: FlaskClient, runtime: Runtime, settled: Callable[[], None]) -> dict[str, str]:
    """An order of 1,600 clocks at 1,234.50, out of 20,000."""
    product = {"sku": "clock", "name": "Clock", "price": "1234.50", "quantity": 20_000}
    with transaction(runtime.store) as tx:
        add_product(tx, product | {"low_stock_threshold": 19_000})
    request = {"customer_name": "Ada", "items": [{"product": "clock", "quantity": 1600}]}
    response = client.post("/order", json=request)
    settled()
    return dict(response.json or {})


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", ["1,234.50", "Only 18,400 left"]),
        ("/desk", ["1,600", "1,975,200.00"]),
        ("/desk/1001", ["1,600", "1,234.50", "1,975,200.00"]),
        ("/desk/1001/delete", ["1,975,200.00"]),
        ("/stock", ["1,234.50", "20,000", "1,600", "18,400"]),
        ("/stock/clock", ["1,234.50", "20,000", "1,600", "18,400", "+20,000", "19,000"]),
        ("/overview", ["1,975,200.00", "18,400"]),
        ("/shipping", ["1,600 ×"]),
        ("/shipping/list", ["1,600 ×"]),
    ],
)
def test_numbers_to_read_have_separators(client: FlaskClient, path: str, shown: list[str]) -> None:
    """No amount and no quantity of the page is a run of digits."""
    text = " ".join(Page(client.get(path)).text.split())
    assert [each for each in shown if each not in text] == []
    assert re.findall(r"1600|18400|19000|20000|1234\.|1975200", text) == []


def test_customers_read_amounts_with_separators(client: FlaskClient, order: dict[str, str]) -> None:
    """Their own page has the price and the sum of each line."""
    text = Page(client.get(f"/orders/{order['link']}")).text
    assert "1,600 × 1,234.50" in text
    assert "1,975,200.00" in text


def test_a_change_is_told_with_separators(client: FlaskClient) -> None:
    """The order's history in words has quantities and prices."""
    lines = [{"product": "clock", "quantity": 1500, "amount": "1000.00"}]
    assert client.patch("/order/1001", json={"items": lines}).status_code == 200
    text = Page(client.get("/desk/1001")).text
    assert "quantity of Clock from 1,600 to 1,500" in text
    assert "price of Clock from 1,234.50 to 1,000.00" in text


def test_fields_and_csv_have_plain_numbers(client: FlaskClient) -> None:
    """They can be typed and parsed."""
    fields = Page(client.get("/desk/1001/edit")).fields
    assert (fields["quantity.1"]["value"], fields["amount.1"]["value"]) == ("1600", "1234.50")
    product = Page(client.get("/stock/clock")).fields
    assert (product["price"]["value"], product["low_stock_threshold"]["value"]) == (
        "1234.50",
        "19000",
    )
    assert "1975200.00" in client.get("/desk.csv").text
