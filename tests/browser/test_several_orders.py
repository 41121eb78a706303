"""Several orders chosen in the list of orders, in a browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, order_by_http, problems_of
from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep


@pytest.fixture
def orders(shop: Server) -> None:
    """Three orders that are ready, 1001 to 1003."""
    for name in ("Ada Lovelace", "Grace Hopper", "Wolfeschlegelsteinhausenbergerdorff " * 4):
        order_by_http(shop, {"pencil-hb": 2, "eraser": 1}, name)
    wait_for("all are ready", lambda: len(_ready(shop)) == 3)


def _ready(shop: Server) -> list[object]:
    found: list[object] = shop.request("GET", "/shipment?state=ready")[1]["shipments"]
    return found


def choose(page: Page) -> None:
    page.goto("/desk")
    page.get_by_label("Choose order 1001").check()
    page.get_by_label("Choose order 1002").check()


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("java_script", [True, False])
def test_chosen_orders_are_cancelled(person: Open, width: int, java_script: bool) -> None:
    """With and without a script; the page before it prints their receipts and packing lists."""
    page = person(
        "/desk", viewport={"width": width, "height": 740}, java_script_enabled=java_script
    )
    choose(page)
    page.get_by_role("button", name="Receipts").click()
    expect(page.get_by_role("region", name="Receipt")).to_have_count(2)
    choose(page)
    page.get_by_role("button", name="Packing lists").click()
    expect(page.get_by_role("region", name="Order")).to_have_count(2)
    choose(page)
    page.get_by_role("button", name="Mark as shipped").click()
    expect(page.get_by_label("Order 1002")).to_be_visible()
    choose(page)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_label("1001 Ada Lovelace").uncheck()
    page.get_by_label("Reason").fill("closed")
    page.get_by_role("button", name="Cancel the chosen orders").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 of 1 cancelled")
    page.get_by_role("link", name="1002").click()
    expect(page.locator("#facts")).to_contain_text("closed")


@pytest.mark.usefixtures("orders")
def test_ticks_outlive_a_new_order(shop: Server, person: Open) -> None:
    """The list follows, and the bar stays in view with the chosen ones."""
    page = person("/desk", viewport={"width": 1280, "height": 500})
    expect(page.get_by_text("· live")).to_be_attached()
    page.get_by_label("Choose order 1002").check()
    order_by_http(shop, {"eraser": 1})
    expect(page.get_by_label("Choose order 1004")).to_be_attached()
    expect(page.get_by_label("Choose order 1002")).to_be_checked()
    page.evaluate("scrollTo(0, 0)")
    expect(page.get_by_role("button", name="Receipts")).to_be_in_viewport()


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_pages_are_accessible(person: Open, width: int, colours: str) -> None:
    """The list with chosen orders, and where its buttons lead."""
    page = person("/desk", viewport={"width": width, "height": 740}, color_scheme=colours)
    page.get_by_label("Choose order 1001").check()
    found = problems_of(page)
    for name in ("receipts", "packing-lists", "cancel"):
        page.goto(f"/desk/chosen/{name}?order=1001&order=1003&order=7")
        found += [f"{name}: {problem}" for problem in problems_of(page)]
    assert found == []
