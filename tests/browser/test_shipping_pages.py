"""The shipping pages in a browser: several orders at once, and the search."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HOSTILE, Open, order_by_http, problems_of
from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep


@pytest.fixture
def orders(shop: Server) -> None:
    """Three orders that are ready, 1001 to 1003."""
    for name in ("Ada Lovelace", "Grace Hopper", HOSTILE):
        order_by_http(shop, {"pencil-hb": 2, "eraser": 1}, name)
    wait_for("all are ready", lambda: len(_ready(shop)) == 3)


def _ready(shop: Server) -> list[object]:
    found: list[object] = shop.request("GET", "/shipment?state=ready")[1]["shipments"]
    return found


def ship_two_of_three(page: Page) -> None:
    """Choose 1001 and 1002, type a number for the first only, then the other one, too."""
    page.get_by_label("Choose order 1001").check()
    page.get_by_label("Choose order 1002").check()
    page.get_by_role("button", name="Mark the chosen as shipped").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ship several orders")
    assert problems_of(page) == []
    page.get_by_label("Carrier").fill("DHL")
    page.get_by_label("Order 1001").fill("JD1001")
    page.get_by_role("button", name="Mark as shipped").click()
    expect(page.get_by_text("1001 is with DHL")).to_be_visible()
    field = page.get_by_label("Order 1002")
    expect(field).to_be_in_viewport()
    expect(page.get_by_text("Order 1002: tracking number is required.").last).to_be_visible()
    assert problems_of(page) == []
    expect(page.get_by_label("Carrier")).to_have_value("DHL")
    field.fill("JD1002")
    page.get_by_role("button", name="Mark as shipped").click()
    expect(page.get_by_text("1002 is with DHL")).to_be_visible()
    expect(page.get_by_role("button", name="Mark as shipped")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1280])
def test_chosen_orders_are_shipped(shop: Server, person: Open, orders: None, width: int) -> None:
    """A refused row is corrected in place; what has left is listed with its carrier."""
    page = person("/shipping", viewport={"width": width, "height": 740})
    assert problems_of(page) == []
    ship_two_of_three(page)
    assert problems_of(page) == []
    page.goto("/shipping/chosen?order=1001&order=1003&order=9999")
    expect(page.get_by_label("Carrier")).to_have_value("DHL")
    expect(page.get_by_text("There is no order 9999.")).to_be_visible()
    assert problems_of(page) == []


def test_without_javascript(shop: Server, person: Open, orders: None) -> None:
    """The boxes and the form are plain HTML."""
    page = person("/shipping", java_script_enabled=False)
    page.get_by_label("Choose order 1001").check()
    page.get_by_label("Choose order 1002").check()
    page.get_by_role("button", name="Mark the chosen as shipped").click()
    page.get_by_label("Carrier").fill("DHL")
    page.get_by_label("Order 1001").fill("JD1001")
    page.get_by_label("Order 1002").fill("JD1002")
    page.get_by_role("button", name="Mark as shipped").click()
    expect(page.get_by_text("1002 is with DHL")).to_be_visible()


def test_typed_numbers_outlive_the_hand_over_of_another(
    shop: Server, person: Open, orders: None
) -> None:
    """The page follows: the row that a colleague ships goes, the other one keeps its text."""
    page = person("/shipping/chosen?order=1001&order=1002")
    expect(page.get_by_text("· live")).to_be_attached()
    page.get_by_label("Order 1001").fill("JD1001")
    parcel = {"carrier": "Post", "tracking_number": "P1002"}
    assert shop.request("POST", "/shipment/1002/ship", parcel)[0] == 200
    expect(page.get_by_text("1002 is with Post")).to_be_visible()
    expect(page.get_by_label("Order 1002")).to_have_count(0)
    expect(page.get_by_label("Order 1001")).to_have_value("JD1001")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_parcel_is_found(shop: Server, person: Open, orders: None, width: int) -> None:
    """By its tracking number, in whatever state it is; a search for a name has several states."""
    parcel = {"carrier": "DHL", "tracking_number": "JD1002"}
    assert shop.request("POST", "/shipment/1002/ship", parcel)[0] == 200
    page = person("/shipping", viewport={"width": width, "height": 740})
    page.get_by_label("Number, customer or tracking number").fill("jd1002")
    page.keyboard.press("Enter")
    expect(page.get_by_text("DHL, JD1002")).to_be_visible()
    expect(page.locator("#counts [aria-current]")).to_have_text("all 1")
    page.goto("/shipping?find=a")
    expect(page.get_by_label("Choose order 1001")).to_be_visible()
    expect(page.get_by_label("Choose order 1002")).to_have_count(0)
    assert problems_of(page) == []
