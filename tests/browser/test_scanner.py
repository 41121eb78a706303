"""A scanner, which types a code and presses Enter, in the forms that take one."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, order_by_http
from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep


@pytest.fixture
def orders(shop: Server) -> None:
    """Three orders that are ready, 1001 to 1003."""
    for _ in range(3):
        order_by_http(shop, {"pencil-hb": 1})
    wait_for(
        "all are ready",
        lambda: len(shop.request("GET", "/shipment?state=ready")[1]["shipments"]) == 3,
    )


@pytest.mark.usefixtures("orders")
def test_each_parcel_is_scanned_before_the_form_is_sent(person: Open) -> None:
    """Enter goes to the next empty number, over one that is filled in; from the last it submits."""
    page = person("/shipping/chosen?order=1001&order=1002&order=1003")
    page.get_by_label("Order 1002").fill("JD1002")
    page.get_by_label("Carrier").fill("DHL")
    page.keyboard.press("Enter")
    for number in (1001, 1003):
        expect(page.get_by_label(f"Order {number}")).to_be_focused()
        page.keyboard.type(f"JD{number}")
        page.keyboard.press("Enter")
    for number in (1001, 1002, 1003):
        expect(page.get_by_text(f"{number} is with DHL")).to_be_visible()


@pytest.mark.usefixtures("orders")
def test_one_parcel_is_scanned_after_its_carrier(shop: Server, person: Open) -> None:
    """Enter in the carrier goes to the number, and there it submits."""
    page = person(f"/shipping/{shop.request('GET', '/shipment/1001')[1]['shipment_id']}")
    page.get_by_label("Carrier").fill("DHL")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Tracking number")).to_be_focused()
    page.keyboard.type("JD1001")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Order 1001 is with the carrier.")).to_be_visible()


@pytest.mark.usefixtures("orders")
def test_a_product_is_scanned_into_an_order(shop: Server, person: Open) -> None:
    """Enter goes from the product to its quantity, and does not save a line without one."""
    page = person("/desk/1001/edit")
    page.get_by_label("Product, line 2").fill("eraser")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Quantity, line 2")).to_be_focused()
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert [line["quantity"] for line in shop.request("GET", "/order/1001")[1]["items"]] == [1, 4]
