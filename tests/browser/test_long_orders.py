"""Orders of many lines in a browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, order_by_http, problems_of
from tests.processes.servers import Server

pytestmark = pytest.mark.deep

PHONE = {"width": 320, "height": 640}


@pytest.fixture
def long_order(shop: Server) -> str:
    """The link of order 1001, which has sixty lines."""
    for number in range(1, 61):
        product = {"sku": f"p{number}", "name": f"Notebook no. {number}", "price": "1.50"}
        assert shop.request("POST", "/product", product | {"quantity": 99})[0] == 201
    order = order_by_http(shop, {f"p{number}": 2 for number in range(1, 61)})
    return str(order["link"])


def test_lines_are_read_on_a_telephone(shop: Server, person: Open, long_order: str) -> None:
    """Each page of them; a name has the width, and the numbers are below it."""
    page = person("/desk/1001", viewport=PHONE)
    name = page.get_by_role("link", name="Notebook no. 1", exact=True)
    box = name.bounding_box()
    assert box
    assert box["height"] < 30
    assert problems_of(page) == []
    page.get_by_role("link", name="Next lines").click()
    expect(page.get_by_role("link", name="Notebook no. 60")).to_be_visible()
    assert problems_of(page) == []
    page.goto(f"/orders/{long_order}?lines=2")
    expect(page.get_by_text("51–60 of 60")).to_be_visible()
    assert problems_of(page) == []


@pytest.mark.usefixtures("long_order")
def test_lines_are_edited_page_by_page(shop: Server, person: Open) -> None:
    """Without a script too; Enter saves, and a button leads on to the next lines."""
    page = person("/desk/1001/edit", viewport=PHONE, java_script_enabled=False)
    page.get_by_label("Quantity, line 25").fill("7")
    page.get_by_role("button", name="Save, then lines 26–50").click()
    page.get_by_label("Quantity, line 26").fill("8")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    items = shop.request("GET", "/order/1001")[1]["items"]
    assert [line["quantity"] for line in items[23:27]] == [2, 7, 8, 2]
    page = person("/desk/1001/edit?lines=2", viewport=PHONE)
    assert problems_of(page) == []
