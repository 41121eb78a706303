"""The lists of the back office that grow long: rows of one line on a wide screen."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, order_by_http
from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep

LARGE = {"width": 1280, "height": 900}
TALLEST = "(rows) => Math.max(...rows.map((row) => row.offsetHeight))"
MAX_ROW_PX = 44


@pytest.fixture
def busy(shop: Server) -> Server:
    """A shop with a mail and a failure."""
    shop.request("PUT", "/fault/billing", {"mode": "reject"})
    order_by_http(shop, {"pencil-hb": 1})
    shop.request("PATCH", "/order/1001", {"customer_email": "ada@example.org"})
    wait_for("billing has failed", lambda: shop.request("GET", "/failure")[1]["failures"])
    return shop


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("/stock", ".list tbody tr"),
        ("/mail", ".mails li"),
        ("/events", "#failures tbody tr"),
        ("/shipping?state=waiting", ".list tbody tr"),
    ],
)
def test_rows_have_one_line(busy: Server, person: Open, path: str, rows: str) -> None:
    """As in the list of orders."""
    page = person(path, viewport=LARGE)
    expect(page.locator(rows).first).to_be_visible()
    page.wait_for_load_state("load")
    assert page.locator(rows).evaluate_all(TALLEST) <= MAX_ROW_PX


def test_a_row_of_the_stock_opens_its_product(shop: Server, person: Open) -> None:
    """Wherever it is clicked; what is archived has a button above that."""
    page = person("/stock", viewport=LARGE)
    row = page.get_by_role("row").filter(has_text="pencil-hb")
    box = row.bounding_box()
    assert box
    row.click(position={"x": box["width"] - 8, "y": box["height"] - 8})
    expect(page.get_by_role("heading", level=1)).to_contain_text("Pencil HB, cedar")
    page.get_by_role("button", name="Archive").click()
    page.goto("/stock?status=archived")
    page.get_by_role("button", name="Bring Pencil HB, cedar back").click()
    expect(page.get_by_text("It is back in the shop.")).to_be_visible()
