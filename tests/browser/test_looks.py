"""Every page: nothing runs over, nothing jumps, axe finds no fault, naughty texts are texts."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NAUGHTY, Open
from tests.processes.servers import Server

pytestmark = pytest.mark.deep

SIZES = ((320, 640), (1920, 1080))
SERIOUS = ("serious", "critical")
SHIFTS = """() => new Promise((done) => {
  const observer = new PerformanceObserver(() => {});
  observer.observe({type: "layout-shift", buffered: true});
  const unasked = () => observer.takeRecords().filter((each) => !each.hadRecentInput);
  setTimeout(() => done(unasked().reduce((sum, each) => sum + each.value, 0)), 300);
})"""
"""How much the page has jumped since it was loaded (W3C Layout Instability)."""


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_pages_are_fit_for_everybody(
    shop: Server, person: Open, pages: list[str], colours: str
) -> None:
    """On a small and a large screen: no sideways scrolling, no jump, no serious fault by axe."""
    faults = []
    for width, height in SIZES:
        page = person("/", viewport={"width": width, "height": height}, color_scheme=colours)
        for path in pages:
            page.goto(path)
            faults += [f"{path} at {width}: {fault}" for fault in _faults(page)]
    assert faults == []


def test_events_and_mails_are_fit_too(shop: Server, person: Open, pages: list[str]) -> None:
    """The pages behind the lists."""
    page = person("/events", viewport={"width": 320, "height": 640})
    page.locator("#failures").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Payload")).to_be_visible()
    assert _faults(page) == []
    page.goto("/mail")
    page.locator("#mails").get_by_role("link").first.click()
    expect(page.get_by_text("ada@example.org").first).to_be_visible()
    assert _faults(page) == []


def test_naughty_texts_are_shown_as_texts(shop: Server, person: Open, pages: list[str]) -> None:
    """Names of customers and products; nothing in them runs (a dialog would fail the test)."""
    page = person("/")
    expect(page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()
    for path in ("/desk", "/desk/1001", "/shipping", "/stock"):
        page.goto(path)
        assert NAUGHTY[:60] in page.inner_text("main") or NAUGHTY[:60] in page.content()
        assert page.locator("main img").count() == 0


def test_an_order_can_be_placed_by_keyboard(shop: Server, person: Open) -> None:
    """From the link that skips the bar to the button; what has the focus is seen."""
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
    for _ in ("e-mail", "payment", "button"):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Place order")).to_be_focused()
    outline = page.get_by_role("button", name="Place order").evaluate(
        "(button) => getComputedStyle(button).outlineStyle"
    )
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("reserved for you")


def _faults(page: Page) -> list[str]:
    """What is wrong with the page as it is before us."""
    found = [
        f"{each['id']}: {each['nodes'][0]['html'][:120]}"
        for each in Axe().run(page).response["violations"]
        if each["impact"] in SERIOUS
    ]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("runs over")
    if (shift := page.evaluate(SHIFTS)) > 0.01:
        found.append(f"jumps by {shift:.3f}")
    return found
