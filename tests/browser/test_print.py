"""Pages on paper: what a browser prints."""

import pypdfium2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, order_by_http
from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep

ORDERS = 30


@pytest.fixture
def busy_shop(shop: Server) -> Server:
    """A shop with thirty orders of three lines, ready to be packed."""
    for _ in range(ORDERS):
        order_by_http(shop, {"pencil-hb": 2, "eraser": 1, "sharpener": 1})
    wait_for(
        "all are ready",
        lambda: len(shop.request("GET", "/shipment?state=ready")[1]["shipments"]) == ORDERS,
    )
    return shop


def sheets(page: Page) -> list[str]:
    """Return the text of each printed sheet."""
    with pypdfium2.PdfDocument(page.pdf(format="A4")) as document:
        return [sheet.get_textpage().get_text_range() for sheet in document]


def test_no_sheet_is_empty(busy_shop: Server, person: Open) -> None:
    """A long list begins on the first sheet, below its heading, and the last sheet has text."""
    page = person("/")
    for path, first in {
        "/desk": "1030",
        "/stock": "Eraser",
        "/shipping": "1001",
        "/shipping/list": "Order 1001",
        "/stock/pencil-hb": "new product",
        "/overview": "Orders in each status",
        "/desk/1001": "The order now",
    }.items():
        page.goto(path)
        printed = sheets(page)
        assert first in printed[0], path
        assert all(len(sheet.split()) > 3 for sheet in printed), path


def test_an_order_is_printed_as_text(busy_shop: Server, person: Open) -> None:
    """Lines, prices and total, and no form."""
    page = person("/desk/1001")
    page.emulate_media(media="print")
    assert page.locator("input:visible, select:visible, button:visible").count() == 0
    lines = page.get_by_role("table").filter(has_text="Pencil HB, cedar")
    first = lines.locator("tbody tr").first.locator("th, td")
    expect(first).to_have_text(["Pencil HB, cedar", "2", "1.20", "2.40"])
    expect(lines).to_contain_text("Total")


def test_no_page_prints_empty_fields(busy_shop: Server, person: Open) -> None:
    """Forms and their buttons stay on the screen."""
    page = person("/")
    page.emulate_media(media="print")
    shipment = busy_shop.request("GET", "/shipment/1001")[1]["shipment_id"]
    for path in ("/", "/desk", "/stock", "/stock/pencil-hb", "/events", f"/shipping/{shipment}"):
        page.goto(path)
        assert page.locator("input:visible, select:visible, button:visible").count() == 0, path
