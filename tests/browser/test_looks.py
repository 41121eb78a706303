"""Every page is accessible, does not overflow or shift, and escapes hostile text."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import COLOUR_RULES, HOSTILE, Open, problems_of, violations
from tests.processes.servers import Server

pytestmark = pytest.mark.deep


@pytest.mark.long
@pytest.mark.parametrize(("width", "height"), [(320, 640), (1920, 1080)])
def test_pages_are_accessible(
    shop: Server, person: Open, pages: list[str], width: int, height: int
) -> None:
    """On a small and a large screen: no sideways scrolling, no layout shift, no axe violation.

    In dark colours the rules on colours are checked again; the page is otherwise the same.
    """
    problems = []
    page = person("/", viewport={"width": width, "height": height}, color_scheme="light")
    for path in pages:
        page.goto(path)
        problems += [f"{path}: {problem}" for problem in problems_of(page)]
        # without motion, the colours change at once
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        problems += [f"{path} in dark: {problem}" for problem in violations(page, COLOUR_RULES)]
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    assert problems == []


def test_event_and_mail_pages_are_accessible(shop: Server, person: Open, pages: list[str]) -> None:
    """The pages that the lists link to."""
    page = person("/events", viewport={"width": 320, "height": 640})
    page.locator("#failures").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Payload")).to_be_visible()
    assert problems_of(page) == []
    page.goto("/mail")
    page.locator("#mails").get_by_role("link").first.click()
    expect(page.get_by_text("ada@example.org").first).to_be_visible()
    assert problems_of(page) == []


def test_hostile_text_is_escaped(shop: Server, person: Open, pages: list[str]) -> None:
    """Names of customers and products run no script; a dialog would fail the test."""
    page = person("/")
    expect(page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()
    for path in ("/desk", "/desk/1001", "/shipping", "/stock"):
        page.goto(path)
        assert HOSTILE[:60] in page.inner_text("main") or HOSTILE[:60] in page.content()
        assert page.locator("main img").count() == 0


def test_an_order_can_be_placed_by_keyboard(shop: Server, person: Open) -> None:
    """The Tab key leads from the skip link to the button; the focus is visible."""
    page = person("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Find a product")).to_be_focused()
    page.get_by_label("Pencil HB, cedar").focus()
    page.keyboard.type("2")
    page.get_by_label("Your name").focus()
    page.keyboard.type("Ada")
    address = ("recipient", "street", "postal code", "city", "country")
    for _ in ("e-mail", *address, "payment", "button"):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Place order")).to_be_focused()
    outline = page.get_by_role("button", name="Place order").evaluate(
        "(button) => getComputedStyle(button).outlineStyle"
    )
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("reserved for you")


def test_pages_are_printable(shop: Server, person: Open, pages: list[str]) -> None:
    """Dark on light whatever the screen; lists stay tables, and buttons are hidden."""
    email = f"{'a' * 40}@{'b' * 40}.example"
    shop.request("PATCH", "/order/1001", {"customer_email": email})
    page = person("/desk", viewport={"width": 720, "height": 1020}, color_scheme="dark")
    page.emulate_media(media="print")
    for path in ("/desk", "/shipping/list", "/overview"):
        page.goto(path)
        ink = page.locator("h1").evaluate("(title) => getComputedStyle(title).color")
        assert max(int(part) for part in ink.removeprefix("rgb(").rstrip(")").split(",")) < 80
        expect(page.get_by_role("banner")).to_be_hidden()
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.goto("/desk")
    table = page.locator("table.list")
    assert table.evaluate("(list) => getComputedStyle(list).display") == "table"
    expect(page.get_by_role("button").filter(visible=True)).to_have_count(0)
