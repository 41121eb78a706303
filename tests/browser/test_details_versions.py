"""An edit in a browser while the shop sells: the open form is neither disturbed nor refused."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, order_by_http
from tests.processes.servers import Server

pytestmark = pytest.mark.deep


def test_a_sale_does_not_disturb_an_edit_of_a_product(shop: Server, person: Open) -> None:
    """The figures follow, no notice appears, and what was typed is saved."""
    page = person("/stock/eraser")
    expect(page.get_by_text("· live")).to_be_visible()
    page.get_by_label("Name").fill("Big eraser")
    order_by_http(shop, {"eraser": 2})
    expect(page.locator("#figures div").filter(has_text="Reserved")).to_contain_text("2")
    expect(page.locator("#changed")).to_be_empty()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#title")).to_contain_text("Big eraser")
    product = shop.request("GET", "/product/eraser")[1]
    assert (product["name"], product["reserved"]) == ("Big eraser", 2)


def test_an_open_form_tells_of_the_edit_of_another(shop: Server, person: Open) -> None:
    """A notice appears, and saving is refused."""
    page = person("/stock/eraser")
    expect(page.get_by_text("· live")).to_be_visible()
    page.get_by_label("Name").fill("Big eraser")
    shop.request("PATCH", "/product/eraser", {"price": "9.00"})
    expect(page.locator("#changed")).to_contain_text("has changed since you began to type")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This has changed meanwhile.").first).to_be_visible()
    assert shop.request("GET", "/product/eraser")[1]["name"] != "Big eraser"
