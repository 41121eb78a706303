"""Prints of many or long orders: a page has as many as it has room for, and leads to the others."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.inventory.service import add_product
from app.server.runtime import Runtime
from app.web.clerk.prints import MAX_PRINTED_LINES
from tests.over_http import read
from tests.transactions import transaction
from tests.web.page import Page

MAX_PAGE_BYTES = 100_000
LONG = 1005
"""The order that has more lines than a print."""

ADDRESS = {"name": '"' * 200, "lines": ['"' * 100] * 3, "city": '"' * 100, "country": "GS"}
"""As long as allowed, in HTML too."""


@pytest.fixture(autouse=True)
def long_orders(client: FlaskClient, runtime: Runtime, settled: Callable[[], None]) -> None:
    """Orders 1001 to 1004 have as many lines as a print may have, and names as long as allowed."""
    skus = [f"{number:03}" + "🍵" * 61 for number in range(MAX_PRINTED_LINES)]
    with transaction(runtime.store) as tx:
        for sku in skus:
            product = {"sku": sku, "name": '"' * 200, "price": "1.00", "quantity": 99}
            add_product(tx, product | {"backorder": True})
    lines = [{"product": sku, "quantity": 1} for sku in skus]
    for number in range(1001, LONG + 1):
        items = lines + lines[:1] if number == LONG else lines[:-1]
        order = {"customer_name": "&" * 200, "items": items, "shipping_address": ADDRESS}
        assert client.post("/order", json=order).status_code == 201
    settled()


def pages(client: FlaskClient, address: str) -> list[Page]:
    """Return the page at an address and those that its links to the next ones lead to."""
    found = []
    following: str | None = address
    while following:
        answer = client.get(following)
        assert answer.status_code == 200
        assert len(answer.data) < MAX_PAGE_BYTES
        found.append(Page(answer))
        links = (link for link in found[-1].links if "from=" in link or "cursor=" in link)
        following = next((f"{address.partition('?')[0]}{link}" for link in links), None)
    return found


@pytest.mark.parametrize("kind", ["receipts", "packing-lists"])
def test_chosen_orders_are_printed_page_by_page(client: FlaskClient, kind: str) -> None:
    """Each once, in the order chosen; each page says which it has."""
    numbers = [1004, 1001, 1002, LONG, 1003]
    query = "&".join(f"order={number}" for number in numbers)
    found = pages(client, f"/desk/chosen/{kind}?{query}")
    assert len(found) > 1
    printed = [number for page in found for number in _printed(page)]
    assert printed == ["1004", "1001", "1002", "1003"]
    positions = [re.findall(r"orders (\d)–(\d) of 5", page.text)[0] for page in found]
    assert positions[0][0] == "1"
    assert positions[-1][1] == "5"


def test_the_packing_list_leads_through_all_orders(client: FlaskClient) -> None:
    """Page by page, as many as fit."""
    found = pages(client, "/shipping/list")
    assert [number for page in found for number in _printed(page)] == [
        "1001",
        "1002",
        "1003",
        "1004",
    ]
    assert "of 5 orders to pack" in found[0].text


def test_a_long_order_is_printed_by_itself(client: FlaskClient) -> None:
    """The page names it, and links to its receipt and to the pages of its goods."""
    page = Page(client.get(f"/desk/chosen/receipts?order={LONG}"))
    assert f"Order {LONG} has a long receipt" in page.by_id["others"]
    [receipt] = [link for link in page.links if link.endswith("receipt.pdf")]
    assert client.get(receipt).mimetype == "application/pdf"
    shipment = read(client, f"/shipment/{LONG}")["shipment_id"]
    for address in (f"/desk/chosen/packing-lists?order={LONG}", "/shipping/list"):
        page = pages(client, address)[-1]
        assert f"Order {LONG} has 101 lines" in page.by_id["others"]
        assert f"/shipping/{shipment}" in page.links


def _printed(page: Page) -> list[str]:
    """Return the orders that are printed on a page."""
    return re.findall(r"Order (\d{4}) (?:Customer )?&", page.text)
