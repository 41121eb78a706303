"""The keys of the lists, in a browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, order_by_http, problems_of
from tests.processes.servers import Server

pytestmark = pytest.mark.deep


@pytest.fixture
def orders(shop: Server) -> None:
    """Three orders, 1001 to 1003."""
    for _ in range(3):
        order_by_http(shop, {"pencil-hb": 1})


def press(page: Page, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


@pytest.mark.usefixtures("orders")
def test_rows_are_reached_by_keys(person: Open) -> None:
    """From the first row to the last and no further; Enter opens, x chooses and unchooses."""
    page = person("/desk")
    press(page, "j")
    expect(page.get_by_role("link", name="1003", exact=True)).to_be_focused()
    press(page, "k", "j", "j", "j", "j")
    expect(page.get_by_role("link", name="1001", exact=True)).to_be_focused()
    press(page, "k", "x")
    expect(page.get_by_label("Choose order 1002")).to_be_checked()
    press(page, "j", "x", "x")
    expect(page.get_by_label("Choose order 1001")).not_to_be_checked()
    press(page, "k", "Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Order 1002")


@pytest.mark.usefixtures("orders")
def test_keys_stay_out_of_typing(person: Open) -> None:
    """The slash leads to the search field; there, each key is a letter."""
    page = person("/desk")
    press(page, "/")
    field = page.get_by_label("Number, name or e-mail")
    expect(field).to_be_focused()
    press(page, "j", "x", "/", "?")
    expect(field).to_have_value("jx/?")
    page.get_by_label("Choose order 1002").focus()
    press(page, "Control+j", "Alt+x")
    expect(page.get_by_label("Choose order 1002")).to_be_focused()
    expect(page.get_by_label("Choose order 1002")).not_to_be_checked()


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("path", ["/desk", "/stock", "/shipping"])
@pytest.mark.parametrize("width", [360, 1280])
def test_keys_are_listed(person: Open, path: str, width: int) -> None:
    """In a dialog, which takes the keys until it is closed."""
    page = person(path, viewport={"width": width, "height": 740})
    expect(page.get_by_role("dialog")).to_have_count(0)
    press(page, "?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert problems_of(page) == []
    press(page, "j", "Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Keys").click()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.usefixtures("orders")
def test_keys_can_be_turned_off(person: Open) -> None:
    """For those who speak or hit them by accident (WCAG 2.1.4); the browser remembers it."""
    page = person("/desk")
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Use these keys").uncheck()
    page.get_by_role("button", name="Close").click()
    page.goto("/stock")
    press(page, "?", "j")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("body")).to_be_focused()
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Use these keys").check()
    press(page, "Escape", "j")
    expect(page.locator(".list tbody th a").first).to_be_focused()
