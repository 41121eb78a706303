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
    clerk = person("/desk/1001", viewport=PHONE)
    clerk.get_by_label("Quantity, line 2").fill("two")
    clerk.get_by_role("button", name="Save").click()
    expect(clerk.get_by_label("Quantity, line 2")).to_be_focused()
    sentence = clerk.locator(".edit").get_by_text("Line 2: quantity must be a whole number.")
    expect(sentence).to_be_in_viewport()

    manager = person("/stock", viewport=PHONE)
    manager.get_by_text("Add a product").click()
    manager.locator("#sku").fill("jar")
    manager.get_by_label("Price").fill("cheap")
    manager.get_by_role("button", name="Add product").click()
    expect(manager.locator("#name")).to_be_focused()
    expect(manager.locator("form").get_by_text("Name is required.")).to_be_in_viewport()
