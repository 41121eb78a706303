"""Amounts and counts in a real browser: the script's sums read as the server's do."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.processes.servers import Server

pytestmark = pytest.mark.deep


def test_the_basket_adds_up_amounts_with_separators(shop: Server, person: Open) -> None:
    """A price over a thousand is read whole, and the sum has separators, as without a script."""
    stock = {"sku": "safe", "name": "Safe", "price": "1234.50", "quantity": 5000}
    assert shop.request("POST", "/product", stock)[0] == 201
    sums = []
    for scripts in (True, False):
        customer = person("/?find=safe", java_script_enabled=scripts)
        expect(customer.locator(".price")).to_have_text("1,234.50 EUR")
        customer.get_by_label("Safe", exact=True).fill("1200")
        if not scripts:
            customer.get_by_role("button", name="Update basket").click()
        expect(customer.locator("#basket-total")).to_have_text("1,481,400.00 EUR")
        expect(customer.locator("#basket-summary")).to_have_text("1,200 items · 1,481,400.00 EUR")
        sums.append(customer.locator("#basket-lines").inner_text())
    assert sums[0].split() == sums[1].split() == ["1,200", "×", "Safe", "1,481,400.00"]
