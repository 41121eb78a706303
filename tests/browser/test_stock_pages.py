"""The stock pages in a browser: sorting, adding, archiving and the chart."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, problems_of
from tests.processes.servers import Server

pytestmark = pytest.mark.deep


@pytest.mark.parametrize("width", [360, 1280])
def test_products_are_sorted_by_their_headings(shop: Server, person: Open, width: int) -> None:
    """A heading sorts by its column, and once more the other way; on a phone it is seen, too."""
    page = person("/stock", viewport={"width": width, "height": 740})
    page.get_by_role("link", name="Price").focus()
    page.keyboard.press("Enter")
    heading = page.get_by_role("columnheader", name="Price")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    cheapest = page.locator("#products tbody tr").first.get_attribute("data-key")
    page.get_by_role("link", name="Price").click()
    expect(page.get_by_role("link", name="Price")).to_be_in_viewport()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert page.locator("#products tbody tr").first.get_attribute("data-key") != cheapest
    assert problems_of(page) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_archiving_is_undone(shop: Server, person: Open, width: int) -> None:
    """By the button of the notice, or by the one in the list of archived products."""
    page = person("/stock/eraser", viewport={"width": width, "height": 740})
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("Archived. It can no longer be ordered.")).to_be_in_viewport()
    assert problems_of(page) == []
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("It is back in the shop.")).to_be_in_viewport()
    page.get_by_role("button", name="Archive").click()
    page.get_by_role("link", name="Archived", exact=True).click()
    assert problems_of(page) == []
    page.get_by_role("button", name="Bring").click()
    expect(page.get_by_text("It is back in the shop.")).to_be_visible()
    assert shop.request("GET", "/product/eraser")[1]["archived"] is False


def test_adding_a_product_is_at_the_top(shop: Server, person: Open) -> None:
    """It is in view before the list, and its chart begins with the first pieces."""
    page = person("/stock", viewport={"width": 1280, "height": 740})
    expect(page.get_by_text("Add a product")).to_be_in_viewport()
    page.get_by_text("Add a product").click()
    page.locator("#sku").fill("jar")
    page.locator("#name").fill("Jar")
    page.get_by_label("Price in EUR").fill("3")
    page.get_by_label("On hand").fill("12")
    page.get_by_role("button", name="Add product").click()
    expect(page.get_by_role("img", name="Stock on hand of Jar over time")).to_be_visible()
    assert problems_of(page) == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("has_script", [True, False])
def test_a_file_is_previewed_and_imported(
    shop: Server, person: Open, width: int, *, has_script: bool
) -> None:
    """Refused rows are listed with their lines; one button imports the others, without a script."""
    viewport = {"width": width, "height": 740}
    page = person("/stock", viewport=viewport, java_script_enabled=has_script)
    page.get_by_role("link", name="Import a file").click()
    text = "sku;name;price\nvase;Vase;12,50\nbowl;Bowl;cheap\n"
    page.get_by_label("CSV file").set_input_files(
        {"name": "goods.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("row", name="Line 3")).to_contain_text("price: must be a decimal")
    if has_script:
        assert problems_of(page) == []
    page.get_by_role("button", name="Import the 1 good row").click()
    expect(page.get_by_text("1 product added")).to_be_visible()
    assert shop.request("GET", "/product/vase")[1]["price"] == "12.50"
