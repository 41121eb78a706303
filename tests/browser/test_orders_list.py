"""The list of orders on /desk, with more orders than one page has."""

import pytest
from playwright.sync_api import Page, expect

from app.web.layout.positions import PAGE_SIZE
from tests.browser.conftest import Open, order_by_http, problems_of
from tests.processes.servers import Server

pytestmark = pytest.mark.deep

LARGE = {"width": 1280, "height": 900}
SMALL = {"width": 360, "height": 740}
HEADINGS = "[...document.querySelectorAll('.orders thead th')].map((each) => each.offsetWidth)"
TALLEST_ROW = (
    "Math.max(...[...document.querySelectorAll('.orders tbody tr')].map((row) => row.offsetHeight))"
)
MAX_ROW_PX = 42


@pytest.fixture
def orders(shop: Server) -> None:
    """One order more than a page has; the first one's customer has a long name."""
    order_by_http(shop, {"pencil-hb": 1}, "Wolfeschlegelsteinhausenbergerdorff " * 4)
    for _ in range(PAGE_SIZE):
        order_by_http(shop, {"pencil-hb": 1, "eraser": 2})


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("viewport", [LARGE, SMALL])
def test_a_row_opens_its_order_wherever_it_is_clicked(
    person: Open, viewport: dict[str, int]
) -> None:
    """The row has one link, which covers it."""
    page = person("/desk", viewport=viewport)
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="1040", exact=True))
    expect(row.get_by_role("link")).to_have_count(1)
    box = row.bounding_box()
    assert box
    row.click(position={"x": box["width"] - 8, "y": box["height"] - 8})
    expect(page).to_have_url(f"{_origin(page)}/desk/1040")


@pytest.mark.usefixtures("orders")
def test_rows_are_low_and_columns_keep_their_widths(person: Open) -> None:
    """On pages with short and with long names."""
    page = person("/desk", viewport=LARGE)
    widths = page.evaluate(HEADINGS)
    assert page.evaluate(TALLEST_ROW) <= MAX_ROW_PX
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text(f"{PAGE_SIZE + 1}–{PAGE_SIZE + 1} of {PAGE_SIZE + 1}")).to_be_visible()
    page.wait_for_load_state("load")  # text is "visible" before the style sheet is there
    assert page.evaluate(HEADINGS) == widths
    assert page.evaluate(TALLEST_ROW) <= MAX_ROW_PX


@pytest.mark.usefixtures("orders")
def test_search_and_sort_survive_paging(person: Open) -> None:
    """There and back again, without a script too."""
    page = person("/desk", viewport=LARGE, java_script_enabled=False)
    page.goto("/desk?status=open")
    page.get_by_role("link", name="Customer").click()
    heading = page.get_by_role("columnheader", name="Customer")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("Wolfeschlegel")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(page.get_by_label("Status", exact=True)).to_have_value("open")
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_text(f"1–{PAGE_SIZE} of {PAGE_SIZE + 1}")).to_be_visible()
    expect(page.get_by_label("Status", exact=True)).to_have_value("open")


@pytest.mark.usefixtures("orders")
def test_csv_of_the_list_is_downloaded(person: Open) -> None:
    """A file, whose rows are those of all pages."""
    page = person("/desk?find=ada", viewport=LARGE)
    with page.expect_download() as download:
        page.get_by_role("link", name="as CSV").click()
    assert download.value.suggested_filename == "orders.csv"
    lines = download.value.path().read_text().splitlines()
    assert len({line.partition(",")[0] for line in lines[1:]}) == PAGE_SIZE


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("viewport", [LARGE, SMALL])
def test_the_list_is_accessible(person: Open, colours: str, viewport: dict[str, int]) -> None:
    """No sideways scrolling, no layout shift, no axe violation, on a page in the middle."""
    page = person("/desk?page=2&sort=-total", viewport=viewport, color_scheme=colours)
    assert problems_of(page) == []


def _origin(page: Page) -> str:
    return str(page.evaluate("location.origin"))
