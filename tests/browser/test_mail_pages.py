"""The pages of sent mail in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, problems_of
from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep

COLOURS = {"light": ("0, 0, 0", "rgba(0, 0, 0, 0)"), "dark": ("231, 229, 223", "rgb(29, 35, 38)")}


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("width", [360, 1280])
def test_a_mail_is_found_and_read(shop: Server, person: Open, colours: str, width: int) -> None:
    """The search leads to it; its frame is dark where the page is."""
    request = {"customer_name": "Ada", "customer_email": "ada@example.org"}
    lines = [{"product": "pencil-hb", "quantity": 2}]
    shop.request("POST", "/order", request | {"items": lines})
    folder = shop.data / "mail/new"
    wait_for("a mail is sent", lambda: folder.exists() and list(folder.iterdir()))
    page = person("/mail", viewport={"width": width, "height": 800}, color_scheme=colours)
    page.get_by_label("Recipient or subject").fill("ADA@example order 1001")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**find=ADA*")
    assert problems_of(page) == []
    page.locator("#mails").get_by_role("link", name="1001").first.click()
    letter = page.frame_locator("iframe.letter").locator("body")
    ink, paper = COLOURS[colours]
    expect(letter).to_have_css("color", f"rgb({ink})")
    expect(letter).to_have_css("background-color", paper)
    assert problems_of(page) == []
