"""Pages whose server stops, restarts, or has no stream left."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open, order_by_http, people
from tests.processes.servers import Server

pytestmark = pytest.mark.deep


@pytest.fixture
def desk(person: Open) -> Page:
    """The orders page, live."""
    page = person("/desk")
    expect(page.get_by_text("· live")).to_be_visible()
    page.evaluate("document.isTheSame = true")
    return page


@pytest.mark.parametrize("end", [Server.stop, Server.kill])
def test_a_page_survives_a_restart(
    shop: Server, desk: Page, end: Callable[[Server], object]
) -> None:
    """Changes during the outage appear afterwards, without a reload."""
    order_by_http(shop, {"pencil-hb": 1}, "Before")
    expect(desk.get_by_role("row").filter(has_text="Before")).to_be_visible()
    end(shop)
    expect(desk.get_by_text("connection lost")).to_be_visible()
    shop.start()
    order_by_http(shop, {"pencil-hb": 1}, "Between")
    expect(desk.get_by_role("row").filter(has_text="Between")).to_contain_text("confirmed")
    expect(desk.get_by_text("· live")).to_be_visible()
    order_by_http(shop, {"pencil-hb": 1}, "After")
    expect(desk.get_by_role("row").filter(has_text="After")).to_be_visible()
    assert desk.evaluate("document.isTheSame")


def test_open_pages_do_not_delay_a_shutdown(shop: Server, desk: Page) -> None:
    """A stream ends when its worker stops; nothing is killed."""
    assert shop.stop() == 0
    expect(desk.get_by_text("connection lost")).to_be_visible()


@pytest.fixture
def crowded(browser: Browser, serve: Callable[..., Server]) -> Iterator[tuple[Server, Open]]:
    """A shop with a single stream, and a function that opens its pages."""
    shop = serve(WORKERS="1", THREADS="4")
    opened = people(browser, shop)
    yield shop, next(opened)
    next(opened, None)


def test_pages_without_a_stream_poll(crowded: tuple[Server, Open]) -> None:
    """The second page gets none; it is current all the same, and orders are taken."""
    shop, person = crowded
    first = person("/desk")
    expect(first.get_by_text("· live")).to_be_visible()
    second = person("/desk")
    order_by_http(shop, {"pencil-hb": 1}, "Somebody")
    for page in (first, second):
        expect(page.get_by_role("row").filter(has_text="Somebody")).to_be_visible()


def test_everything_works_without_javascript(shop: Server, person: Open) -> None:
    """Order, follow, cancel; the page reloads itself."""
    page = person("/", java_script_enabled=False)
    page.get_by_label("Pencil HB, cedar").fill("3")
    page.get_by_role("button", name="Update basket").click()
    expect(page.get_by_text("3.60 EUR", exact=True)).to_be_visible()
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("reserved for you")
    page.get_by_text("Cancel this order").click()
    page.get_by_role("button", name="Cancel order 1001").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("This order was cancelled.")


def test_the_response_to_a_form_is_not_refreshed(shop: Server, desk: Page, person: Open) -> None:
    """Its errors stay; a reload would submit the form again."""
    page = person("/events")
    page.get_by_label("Times").fill("often")
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("Times must be a whole number.").first).to_be_visible()
    page.evaluate("document.isTheSame = true")
    order_by_http(shop, {"pencil-hb": 1}, "Somebody")
    expect(desk.get_by_role("row").filter(has_text="Somebody")).to_be_visible()
    expect(page.locator("#connection")).to_be_empty()
    assert page.evaluate("document.isTheSame")
    assert page.get_by_label("Times").input_value() == "often"
