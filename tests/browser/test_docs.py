"""/docs in a real browser: the API is read, and tried out, on the page."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open
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
