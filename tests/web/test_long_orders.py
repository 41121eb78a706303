"""Orders of many lines: each page shows some of them, and says which."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.inventory.service import add_product
from app.orders.schemas import MAX_LINES
from app.server.runtime import Runtime
from app.web.clerk.order_edit import EDITED_LINES
from app.web.layout.positions import PAGE_SIZE
from tests.over_http import read
from tests.transactions import transaction
from tests.web.page import Page, send

LINES = 2 * EDITED_LINES + 10


@pytest.fixture(autouse=True)
def long_order(client: FlaskClient, runtime: Runtime, settled: Callable[[], None]) -> Any:
    """Order 1001: one each of the products p01 to p60, ready to be packed."""
    skus = [f"p{number:02}" for number in range(1, LINES + 1)]
    with transaction(runtime.store) as tx:
        for sku in skus:
            add_product(tx, {"sku": sku, "name": f"No. {sku}", "price": "1.00", "quantity": 5000})
    lines = [{"product": sku, "quantity": 1} for sku in skus]
    answer = client.post("/order", json={"customer_name": "Ada", "items": lines})
    assert answer.status_code == 201
    settled()
    return answer.json


def stored(client: FlaskClient) -> dict[str, int]:
    """Return the order's quantities by product, in its order."""
    return {line["product"]: line["quantity"] for line in read(client, "/order/1001")["items"]}


def shown(page: Page) -> list[str]:
    """Return the products that a page names, in its order."""
    return [word for word in page.text.split() if word[0] == "p" and word[1:].isdigit()]


def skus(first: int, last: int) -> list[str]:
    return [f"p{number:02}" for number in range(first, last + 1)]


def test_the_order_has_pages_of_lines(client: FlaskClient) -> None:
    """Each says which lines it has, leads to the others, and has the total of all."""
    page = Page(client.get("/desk/1001"))
    assert shown(page)[:PAGE_SIZE] == skus(1, PAGE_SIZE)
    assert f"Lines 1–{PAGE_SIZE} of {LINES}" in page.text
    assert "Total 60.00" in page.text
    assert "?lines=2" in page.links
    page = Page(client.get("/desk/1001?lines=2"))
    assert f"Lines {PAGE_SIZE + 1}–{LINES} of {LINES}" in page.text
    assert "p50" not in page.by_id["lines"]
    assert "p51" in page.by_id["lines"]
    assert "?lines=1" in page.links
    assert Page(client.get("/desk/1001?lines=999")).text == page.text


def test_the_customer_has_pages_of_lines(client: FlaskClient, long_order: Any) -> None:
    """As the clerk has."""
    page = Page(client.get(f"/orders/{long_order['link']}?lines=2"))
    assert shown(page) == skus(PAGE_SIZE + 1, LINES)
    assert f"What you ordered {PAGE_SIZE + 1}–{LINES} of {LINES}" in page.text
    assert "Total 60.00" in page.text


def test_the_goods_to_pack_have_pages(client: FlaskClient, long_order: Any) -> None:
    """The form to hand them over is on each."""
    page = Page(client.get(f"/shipping/{long_order['order_id']}?lines=2"))
    assert f"To pack {PAGE_SIZE + 1}–{LINES} of {LINES}" in page.text
    assert "p51" in page.by_id["goods"]
    assert "p50" not in page.by_id["goods"]
    assert "tracking_number" in page.fields


def test_an_edit_of_some_lines_keeps_the_others(client: FlaskClient) -> None:
    """Lines of the page are changed and taken away; those before and after stay as they are."""
    page = Page(client.get("/desk/1001/edit?lines=2"))
    assert f"Lines {EDITED_LINES + 1}–{2 * EDITED_LINES} of {LINES}" in page.text
    assert f"product.{EDITED_LINES}" not in page.fields
    assert page.fields["product.26"]["value"] == "p26"
    assert send(client, page, "/1001", **{"quantity.26": "7", "quantity.27": ""}).status == 200
    expected = dict.fromkeys(skus(1, LINES), 1) | {"p26": 7}
    del expected["p27"]
    assert stored(client) == expected
    assert list(stored(client)) == list(expected)


def test_the_next_lines_are_shown_after_saving(client: FlaskClient) -> None:
    """A button leads there, so that nothing typed is lost; the last page takes new lines."""
    page = Page(client.get("/desk/1001/edit"))
    assert page.buttons == ["next=2"]
    page = send(client, page, "/1001", **{"quantity.1": "3", "next": "2"})
    assert stored(client)["p01"] == 3
    assert page.buttons == ["next=1", "next=3"]
    page = send(client, page, "/1001", next="3")
    assert page.fields["product.60"]["value"] == "p60"
    assert page.fields["product.61"]["value"] == ""
    send(client, page, "/1001", **{"product.61": "p01", "quantity.61": "4"})
    assert read(client, "/order/1001")["items"][-1]["quantity"] == 4


def test_an_error_is_at_its_line(client: FlaskClient) -> None:
    """Lines count through all pages; an error elsewhere says so."""
    page = Page(client.get("/desk/1001/edit?lines=2"))
    page = send(client, page, "/1001", **{"quantity.30": "few"})
    assert page.status == 422
    assert "Line 30: quantity must be a whole number." in page.text
    assert page.fields["quantity.30"]["value"] == "few"
    assert page.fields["lines"]["value"] == "2"
    page = send(client, page, "/1001", **{"quantity.30": "5"})
    assert stored(client)["p30"] == 5


def test_lines_that_moved_are_not_overwritten(client: FlaskClient) -> None:
    """After an edit by somebody else the form stays refused; the order is opened again."""
    page = Page(client.get("/desk/1001/edit?lines=2"))
    first = Page(client.get("/desk/1001/edit"))
    send(client, first, "/1001", **{"quantity.1": "0"})
    for _ in range(2):
        page = send(client, page, "/1001", **{"quantity.26": "7"})
        assert page.status == 412
        assert "its lines may have moved. Open it again to edit it." in page.text
        assert page.fields["quantity.26"]["value"] == "7"
    assert stored(client)["p26"] == 1


def test_a_long_history_has_pages(client: FlaskClient, settled: Callable[[], None]) -> None:
    """Newest first; each page leads to the earlier entries, and none is left out."""
    skus_of = [skus(1, 40), skus(1, 39)]
    for change in range(12):
        lines = [{"product": sku, "quantity": change + 2} for sku in skus_of[change % 2]]
        assert client.patch("/order/1001", json={"items": lines}).status_code == 200
    settled()
    sentences = 0
    address: str | None = "/desk/1001"
    pages = 0
    while address:
        page = Page(client.get(address))
        sentences += page.by_id["history"].count("more changes.")
        pages += 1
        links = [link for link in page.links if "history=" in link]
        address = f"/desk/1001{links[0].partition('#')[0]}" if links else None
    assert pages > 1
    assert sentences == 12
    assert "placed the order" in page.by_id["history"]


def test_too_many_lines_are_refused(client: FlaskClient) -> None:
    """In words; the lines of the other pages count."""
    lines = [{"product": "p01", "quantity": 1}] * MAX_LINES
    assert client.patch("/order/1001", json={"items": lines}).status_code == 200
    page = Page(client.get(f"/desk/1001/edit?lines={MAX_LINES // EDITED_LINES}"))
    page = send(client, page, "/1001", **{"product.2001": "p02", "quantity.2001": "1"})
    assert page.status == 422
    assert "An order can have 2,000 lines at most." in page.text
    assert page.fields["product.2001"]["value"] == "p02"
