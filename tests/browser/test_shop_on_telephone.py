"""The shop on a telephone: the bar of the basket, buttons beside quantities, errors in view."""

from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, problems_of
from tests.processes.servers import Server

pytestmark = pytest.mark.deep

PHONE = {"width": 360, "height": 640}


def test_the_bar_leads_to_the_basket(shop: Server, person: Open) -> None:
    """The bar has the pieces and the sum, follows what is typed, and ends at the basket."""
    customer = person("/", viewport=PHONE)
    bar = customer.locator(".basket-bar")
    expect(bar).to_be_in_viewport(ratio=1)
    expect(bar).to_have_text("0 items · 0.00 EUR Basket")
    customer.get_by_label("Pencil HB, cedar").fill("1")
    expect(bar).to_contain_text("1 item · 1.20 EUR")
    customer.get_by_label("Pencil HB, cedar").fill("2")
    expect(bar).to_contain_text("2 items · 2.40 EUR")
    assert problems_of(customer) == []
    bar.click()
    expect(customer.get_by_role("heading", name="Your basket")).to_be_in_viewport()
    expect(bar).not_to_be_in_viewport()


def test_the_bar_covers_no_field_with_the_focus(shop: Server, person: Open) -> None:
    """Every field that the Tab key reaches is above the bar."""
    customer = person("/", viewport=PHONE)
    customer.get_by_label("Find a product").focus()
    for _ in range(25):
        customer.keyboard.press("Tab")
        assert _is_uncovered(customer)


def test_without_a_script_the_server_fills_the_bar(shop: Server, person: Open) -> None:
    """The bar has the basket as it was sent last."""
    customer = person("/", viewport=PHONE, java_script_enabled=False)
    customer.get_by_label("Pencil HB, cedar").fill("2")
    customer.get_by_role("button", name="Update basket").click()
    expect(customer.locator(".basket-bar")).to_contain_text("2 items · 2.40 EUR")


def test_a_wide_screen_has_no_bar(shop: Server, person: Open) -> None:
    """The basket itself stays in view there."""
    customer = person("/", viewport={"width": 1280, "height": 800})
    expect(customer.locator(".basket-bar")).to_be_hidden()
    expect(customer.get_by_role("heading", name="Your basket")).to_be_in_viewport()


def test_buttons_change_a_quantity(shop: Server, person: Open) -> None:
    """Plus and minus are 44 pixels large at least; the basket follows, and nothing goes below 0."""
    customer = person("/", viewport=PHONE)
    field = customer.get_by_label("Pencil HB, cedar")
    card = customer.locator(".product", has=field)
    more, fewer = (card.get_by_role("button", name=name) for name in ("One more", "One fewer"))
    for button in (more, fewer):
        box = button.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 44
    more.click()
    more.click()
    expect(field).to_have_value("2")
    expect(customer.locator("#basket-total")).to_have_text("2.40 EUR")
    for _ in range(3):
        fewer.click()
    expect(field).to_have_value("")
    field.fill("two")
    more.click()
    expect(field).to_have_value("1")
    assert problems_of(customer) == []


def test_without_a_script_there_are_no_dead_buttons(shop: Server, person: Open) -> None:
    """The quantity is typed."""
    customer = person("/", viewport=PHONE, java_script_enabled=False)
    expect(customer.get_by_label("Pencil HB, cedar")).to_be_visible()
    expect(customer.get_by_role("button", name="One more")).to_have_count(0)


def test_a_refused_order_shows_the_first_error_of_the_page(shop: Server, person: Open) -> None:
    """The field has the focus and is in view above the bar; its sentence describes it."""
    customer = person("/", viewport=PHONE)
    field = customer.get_by_label("Pencil HB, cedar")
    field.fill("two")
    customer.get_by_role("button", name="Place order").click()
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description("The quantity must be a whole number.")
    sentence = customer.locator(".product").get_by_text("The quantity must be a whole number.")
    expect(sentence).to_be_in_viewport(ratio=1)
    assert _is_uncovered(customer)
    summary = customer.get_by_role("alert").get_by_role("link")
    expect(summary.last).to_have_text("Your name is required.")
    assert problems_of(customer) == []


def test_choosing_a_category_keeps_what_was_typed(shop: Server, person: Open) -> None:
    """Quantities and name stay, and Back leads to the products before; nothing runs over."""
    customer = person("/", viewport=PHONE)
    pencil = customer.get_by_label("Pencil HB, cedar")
    categories = customer.get_by_role("list", name="Categories")
    customer.get_by_label("Your name").fill("Ada")
    customer.get_by_label("Eraser, natural rubber").fill("2")
    categories.get_by_role("button", name="Writing").click()
    customer.wait_for_url("**/?category=writing")
    expect(customer.get_by_role("heading", name="More products in Writing")).to_be_visible()
    expect(categories.locator("[aria-current]")).to_contain_text("writing 5")
    expect(customer.get_by_label("Eraser, natural rubber")).to_have_value("2")
    expect(customer.get_by_label("Your name")).to_have_value("Ada")
    expect(pencil).to_be_visible()
    assert problems_of(customer) == []
    customer.go_back()
    expect(customer.get_by_role("heading", name="More products in Writing")).to_have_count(0)
    customer.get_by_label("Find a product").fill("novel")
    customer.get_by_role("button", name="Find").click()
    customer.wait_for_url("**/?find=novel")


def test_choosing_a_category_without_a_script_keeps_what_was_typed(
    shop: Server, person: Open
) -> None:
    """Quantities and name stay, it leads to its products, and Update basket stays there."""
    customer = person("/", viewport=PHONE, java_script_enabled=False)
    customer.get_by_label("Your name").fill("Ada")
    customer.get_by_label("Eraser, natural rubber").fill("3")
    customer.get_by_role("button", name="Writing").click()
    customer.wait_for_url("**/?category=writing")
    expect(customer.get_by_label("Eraser, natural rubber")).to_have_value("3")
    expect(customer.get_by_label("Your name")).to_have_value("Ada")
    customer.get_by_label("Pencil HB, cedar").fill("2")
    customer.get_by_role("button", name="Update basket").click()
    customer.wait_for_url("**/?category=writing")
    expect(customer.locator(".basket-bar")).to_contain_text("5 items")


def test_many_categories_leave_room_for_products(shop: Server, person: Open) -> None:
    """Forty more, one with the longest name, are behind a heading; the page is calm without."""
    for number in range(40):
        product = {"sku": f"p{number}", "name": f"Thing {number}", "price": "1.00"}
        name = "Very long " * 9 + "category" if number == 39 else f"Kind {number}"
        shop.request("POST", "/product", product | {"category": name})
    customer = person("/", viewport=PHONE)
    expect(customer.get_by_role("button", name="Kind 7")).to_be_hidden()
    expect(customer.get_by_role("heading", name="Products")).to_be_in_viewport()
    customer.get_by_text("more categories").click()
    expect(customer.get_by_role("button", name="Kind 7")).to_be_visible()
    assert problems_of(customer) == []


def test_a_picture_is_uploaded_and_shown(shop: Server, person: Open) -> None:
    """Without a script too; the shop shows it in a box of one size, and Remove takes it away."""
    manager = person("/stock/pencil-hb", viewport=PHONE, java_script_enabled=False)
    manager.get_by_label("File").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    manager.get_by_role("button", name="Show it in the shop").click()
    expect(manager.get_by_label("File")).to_have_accessible_description(
        "Picture is not a whole PNG, JPEG or WebP file."
    )
    picture = BytesIO()
    Image.new("RGB", (900, 300), "peru").save(picture, "PNG")
    manager.get_by_label("File").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    manager.get_by_role("button", name="Show it in the shop").click()
    expect(manager.get_by_role("img", name="Pencil HB, cedar", exact=True)).to_be_visible()
    customer = person("/?find=cedar", viewport=PHONE)
    shown = customer.get_by_role("img", name="Pencil HB, cedar", exact=True)
    expect(shown).to_have_js_property("naturalWidth", 640)
    assert problems_of(customer) == []
    manager.get_by_role("button", name="Remove").click()
    expect(manager.get_by_role("img", name="Pencil HB, cedar", exact=True)).to_have_count(0)


def _is_uncovered(page: Page) -> bool:
    """Return whether the element with the focus is the topmost at its centre."""
    found: bool = page.evaluate(
        """() => {
          const focused = document.activeElement;
          const box = focused.getBoundingClientRect();
          const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height - 2);
          return focused.contains(top);
        }"""
    )
    return found
