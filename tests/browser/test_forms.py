"""Forms that are refused, as people see them."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, order_by_http
from tests.processes.servers import Server

pytestmark = pytest.mark.deep

PHONE = {"width": 360, "height": 640}


def test_a_refused_form_shows_its_first_error(shop: Server, person: Open) -> None:
    """On a phone, the first field in error and its sentence are in view, and it has the focus."""
    order_by_http(shop, {"pencil-hb": 1, "eraser": 1})
    clerk = person("/desk/1001/edit", viewport=PHONE)
    clerk.get_by_label("Quantity, line 2").fill("two")
    clerk.get_by_role("button", name="Save").click()
    expect(clerk.get_by_label("Quantity, line 2")).to_be_focused()
    sentence = clerk.locator(".edit").get_by_text("Line 2: quantity must be a whole number.")
    expect(sentence).to_be_in_viewport()

    manager = person("/stock", viewport=PHONE)
    manager.get_by_text("Add a product").click()
    manager.locator("#sku").fill("jar")
    manager.get_by_label("Price in EUR").fill("cheap")
    manager.get_by_role("button", name="Add product").click()
    expect(manager.locator("#name")).to_be_focused()
    expect(manager.locator("form").get_by_text("Name is required.")).to_be_in_viewport()


def test_back_after_a_search_keeps_the_basket(shop: Server, person: Open) -> None:
    """Back and forward show the pages as they were addressed, with what was typed last."""
    customer = person("/")
    customer.get_by_label("Pencil HB, cedar").fill("3")
    customer.get_by_label("Your name").fill("Ada Lovelace")
    customer.get_by_label("Find a product").fill("atlas")
    customer.keyboard.press("Enter")
    customer.wait_for_url("**/?find=atlas")
    customer.get_by_label("A Small Atlas of Large Rivers").fill("1")
    customer.get_by_label("Find a product").fill("eraser")
    customer.get_by_role("button", name="Find").click()
    customer.wait_for_url("**/?find=eraser")
    for address in ("**/?find=atlas", "**/"):
        customer.go_back()
        customer.wait_for_url(address)
        expect(customer.get_by_label("Pencil HB, cedar")).to_have_value("3")
        expect(customer.get_by_label("A Small Atlas of Large Rivers")).to_have_value("1")
        expect(customer.get_by_label("Your name")).to_have_value("Ada Lovelace")
    customer.get_by_role("button", name="Place order").click()
    expect(customer.locator("#lines")).to_contain_text("A Small Atlas of Large Rivers")
    customer.goto("/")
    expect(customer.get_by_text("Nothing yet")).to_be_visible()
