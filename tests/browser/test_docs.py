"""/docs in a real browser: the API is read, and tried out, on the page."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open, problems_of
from tests.processes.servers import Server

pytestmark = pytest.mark.deep


def opened(page_block: Locator) -> Locator:
    """The block of an operation, unfolded."""
    page_block.locator(".opblock-summary-control").click()
    return page_block


def test_an_order_can_be_placed_and_read_from_the_docs(shop: Server, person: Open) -> None:
    """Execute sends the example, and shows the response of this server."""
    page = person("/docs")
    post = opened(page.locator("#operations-orders-post_order"))
    post.get_by_role("textbox").last.fill(
        '{"customer_name": "Ada", "items": [{"product": "pencil-hb", "quantity": 2}]}'
    )
    post.get_by_role("button", name="Execute").click()
    live = post.locator(".live-responses-table")
    expect(live).to_contain_text("201")
    expect(live).to_contain_text("/order/")

    get = opened(page.locator("#operations-orders-get_order"))
    get.get_by_placeholder("order_id").fill("1001")
    get.get_by_role("button", name="Execute").click()
    expect(get.locator(".live-responses-table")).to_contain_text('"customer_name": "Ada"')
    assert shop.request("GET", "/order/1001")[1]["total_amount"] == "2.40"


@pytest.mark.parametrize(("colours", "paper"), [("light", "246, 245, 241"), ("dark", "20, 24, 26")])
def test_the_docs_have_the_frame_of_the_shop(
    shop: Server, person: Open, colours: str, paper: str
) -> None:
    """Its colours, light and dark, its header with a way back, and nothing wider than a screen."""
    page = person("/docs", viewport={"width": 360, "height": 640}, color_scheme=colours)
    post = opened(page.locator("#operations-orders-post_order"))
    expect(post.get_by_role("button", name="Execute")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", f"rgb({paper})")
    lightness = page.locator("#api .opblock-tag").first.evaluate(
        "(title) => Math.max(...getComputedStyle(title).color.match(/[0-9]+/g).slice(0, 3))"
    )
    assert (lightness > 128) == (colours == "dark")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.emulate_media(color_scheme="dark" if colours == "light" else "light")
    expect(page.locator("body")).not_to_have_css("background-color", f"rgb({paper})")
    page.get_by_role("banner").get_by_role("link", name="Shop").click()
    expect(page.get_by_role("heading", name="What would you like?")).to_be_visible()


def test_the_docs_have_the_elements_of_swagger_ui_as_they_are(shop: Server, person: Open) -> None:
    """The shop's style of buttons and tables does not reach into them."""
    page = person("/docs")
    control = page.locator("#operations-orders-post_order .opblock-summary-control")
    expect(control).to_have_css("min-height", "auto")
    expect(control).to_have_css("border-top-width", "0px")
    post = opened(page.locator("#operations-orders-post_order"))
    expect(post.locator("select").first).to_have_css("border-top-width", "2px")
    expect(page.locator("#api .arrow").first).to_have_css("width", "20px")


@pytest.mark.parametrize(("colours", "width"), [("light", 1280), ("dark", 360)])
def test_the_docs_are_accessible(shop: Server, person: Open, colours: str, width: int) -> None:
    """No axe violation with operations open and executed, with schemas, and asked for a key."""
    page = person("/docs", viewport={"width": width, "height": 800}, color_scheme=colours)
    get = opened(page.locator("#operations-orders-get_order"))
    get.get_by_placeholder("order_id").fill("7")
    get.get_by_role("button", name="Execute").click()
    expect(get.locator(".live-responses-table")).to_contain_text("There is no order 7.")
    post = opened(page.locator("#operations-orders-post_order"))
    post.get_by_role("tab", name="Schema").first.click()
    page.get_by_role("button", name="Schemas").click()
    assert problems_of(page) == []
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_role("heading", name="Available authorizations")).to_be_visible()
    assert problems_of(page) == []


def test_an_operation_has_an_address(shop: Server, person: Open) -> None:
    """It is that of the page when the operation is open, and opens it."""
    page = person("/docs")
    opened(page.locator("#operations-orders-get_order"))
    page.wait_for_url("**/docs#/orders/get_order")
    again = person("/docs#/orders/get_order")
    expect(
        again.locator("#operations-orders-get_order").get_by_placeholder("order_id")
    ).to_be_visible()
