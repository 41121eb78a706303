"""The pages of one order, as its customer and a clerk see them."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, order_by_http, problems_of
from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep

PHONE = {"width": 360, "height": 640}
DESKTOP = {"width": 1280, "height": 800}
SIGHTS = [(size, colours) for size in (PHONE, DESKTOP) for colours in ("light", "dark")]


@pytest.fixture
def orders(shop: Server) -> dict[str, dict[str, object]]:
    """Orders that wait, are shipped, were cancelled, and were declined: at first or later."""
    rare = {"sku": "rare", "name": "Rare ink", "price": "7.00", "quantity": 1, "backorder": True}
    shop.request("POST", "/product", rare)
    made = {
        "waiting": order_by_http(shop, {"rare": 3}),
        "shipped": order_by_http(shop, {"pencil-hb": 4}),
        "cancelled": order_by_http(shop, {"eraser": 3}),
        "difference": order_by_http(shop, {"pencil-hb": 1}),
    }
    wait_for("all but one are ready", lambda: len(_ready(shop)) == 3)
    change = {
        "items": [{"product": "pencil-hb", "quantity": 5}],
        "payment_method": "decline",
    }
    shop.request("PATCH", "/order/1004", change)
    parcel = {"carrier": "DHL", "tracking_number": "00340434161094042557"}
    shop.request("POST", "/shipment/1002/ship", parcel)
    shop.request("POST", "/order/1003/cancel", {"reason": "ordered twice"})
    _wait_for_order(shop, 1002, "status", "shipped")
    _wait_for_order(shop, 1003, "payment_status", "refunded")
    _wait_for_order(shop, 1004, "payment_status", "failed")
    return made


def _wait_for_order(shop: Server, number: int, field: str, value: str) -> None:
    wait_for(
        f"order {number} is {value}",
        lambda: shop.request("GET", f"/order/{number}")[1][field] == value,
    )


def _ready(shop: Server) -> list[object]:
    ready: list[object] = shop.request("GET", "/shipment?state=ready")[1]["shipments"]
    return ready


@pytest.mark.parametrize(("size", "colours"), SIGHTS)
def test_customers_pages_are_accessible(
    person: Open, orders: dict[str, dict[str, object]], size: dict[str, int], colours: str
) -> None:
    """In each state: no axe violation, no sideways scrolling, no layout shift."""
    page = person("/", viewport=size, color_scheme=colours)
    for name, order in orders.items():
        page.goto(f"/orders/{order['link']}")
        assert problems_of(page) == [], name


def test_a_customer_pays_again(
    shop: Server, person: Open, orders: dict[str, dict[str, object]]
) -> None:
    """A button pays what was declined; the open page then says that the order is paid."""
    page = person(f"/orders/{orders['difference']['link']}")
    page.get_by_role("button", name="Pay 4.80 EUR").click()
    expect(page.locator("#facts")).to_contain_text("paid")
    expect(page.get_by_text("A payment was declined")).to_have_count(0)


def test_waiting_for_stock_is_amber(person: Open, orders: dict[str, dict[str, object]]) -> None:
    """Between the steps behind it and those ahead, not red as an end."""
    page = person(f"/orders/{orders['waiting']['link']}")
    steps = page.locator("#steps li")
    expect(steps).to_contain_text(
        ["placed", "Waiting for stock", "confirmed", "shipped", "delivered"]
    )
    expect(steps.nth(1)).to_have_css("color", "rgb(122, 82, 0)")
    expect(steps.nth(1)).to_have_attribute("aria-current", "step")


@pytest.mark.parametrize(("size", "colours"), SIGHTS)
def test_clerks_pages_are_accessible(
    person: Open, orders: dict[str, dict[str, object]], size: dict[str, int], colours: str
) -> None:
    """In each state, and while an order is edited or about to be cancelled."""
    page = person("/", viewport=size, color_scheme=colours)
    for name, order in orders.items():
        page.goto(f"/desk/{order['number']}")
        assert problems_of(page) == [], name
    page.goto("/desk/1004/edit")
    assert problems_of(page) == []
    page.goto("/desk/1004")
    page.get_by_text("Cancel the order").click()
    assert problems_of(page) == []


@pytest.mark.parametrize("script", [True, False])
def test_an_order_is_edited_in_a_second_step(
    shop: Server, person: Open, orders: dict[str, dict[str, object]], script: bool
) -> None:
    """Read, edit, read again; with and without JavaScript."""
    page = person("/desk/1001", java_script_enabled=script)
    assert page.locator("#lines").locator("input").count() == 0
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Quantity, line 1").fill("two")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".edit").get_by_text("must be a whole number")).to_be_visible()
    page.get_by_label("Quantity, line 1").fill("2")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    expect(page.locator("#history")).to_contain_text(
        "changed the quantity of Rare ink from 3 to 2."
    )
