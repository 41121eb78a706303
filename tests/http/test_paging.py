"""Lists: pages, cursors and Link."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time
from werkzeug.http import parse_options_header

from app.inventory.service import add_product
from tests.over_http import body, place, read
from tests.transactions import transaction


@pytest.fixture
def numbers(client: FlaskClient, catalogue: dict[str, str]) -> list[int]:
    """The numbers of seven orders, oldest first; three are of the same millisecond."""
    early = [place(client, tea=1)["number"] for _ in range(2)]
    with freeze_time("2031-05-01T12:00:00Z"):
        together = [place(client, tea=1)["number"] for _ in range(3)]
    with freeze_time("2031-05-02T12:00:00Z"):
        late = [place(client, tea=1)["number"] for _ in range(2)]
    return early + together + late


def walk(client: FlaskClient, path: str, between: Callable[[], object] = int) -> Iterator[int]:
    """The order numbers of all pages by Link; `between` runs after each page."""
    for page in count():
        response = client.get(path)
        yield from (order["number"] for order in body(response)["orders"])
        if "Link" not in response.headers:
            assert body(response)["next"] is None
            return
        target, options = parse_options_header(response.headers["Link"])
        assert options == {"rel": "next"}
        assert page < 20
        path = target.strip("<>")
        between()


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
def test_pages_put_together_are_the_whole_list(
    client: FlaskClient, numbers: list[int], limit: int
) -> None:
    """Each order occurs once, newest or oldest first, with any page length."""
    assert list(walk(client, f"/order?limit={limit}&sort=date")) == numbers
    assert list(walk(client, f"/order?limit={limit}")) == numbers[::-1]


def test_pages_stay_put_while_orders_come_and_go(client: FlaskClient, numbers: list[int]) -> None:
    """An order placed meanwhile shifts nothing; a deleted one is the only one missing."""

    def happen() -> None:
        with freeze_time("2031-06-01T12:00:00Z"):
            place(client, tea=1)
        client.delete(f"/order/{numbers[0]}")

    assert list(walk(client, "/order?limit=3", happen)) == numbers[:0:-1]


def test_a_page_has_fifty_entries_and_never_over_two_hundred(
    app: Flask, client: FlaskClient
) -> None:
    """Fifty is the default; a limit over 200 counts as 200."""
    with transaction(app.extensions["daybook"].store) as tx:
        for number in range(205):
            add_product(tx, {"sku": f"{number:03}", "name": "Pen", "price": "1.00"})
    assert len(read(client, "/product")["products"]) == 50
    assert len(read(client, "/product?limit=999999999")["products"]) == 200


def test_the_next_page_may_be_longer(client: FlaskClient, numbers: list[int]) -> None:
    """A cursor has a position, not a page length."""
    cursor = read(client, "/order?limit=2")["next"]
    assert len(read(client, f"/order?limit=5&cursor={cursor}")["orders"]) == 5


@pytest.mark.parametrize(
    "other", ["/order?sort=date", "/order?status=placed", "/product?", "/failure?"]
)
def test_a_cursor_of_another_list_is_refused(
    client: FlaskClient, numbers: list[int], other: str
) -> None:
    """400, because a position is meaningless in another list."""
    cursor = read(client, "/order?limit=2")["next"]
    assert client.get(f"{other}&cursor={cursor}").status_code == 400


def test_a_cursor_that_was_tampered_with_is_refused(
    client: FlaskClient, numbers: list[int]
) -> None:
    """400, whichever character is changed."""
    cursor = read(client, "/order?limit=2")["next"]
    for place_ in range(len(cursor) - 1):
        other = "A" if cursor[place_] != "A" else "B"
        changed = cursor[:place_] + other + cursor[place_ + 1 :]
        assert client.get(f"/order?cursor={changed}").status_code == 400


def test_products_are_paged_too(app: Flask, client: FlaskClient, catalogue: dict[str, str]) -> None:
    """They are sorted by sku, with the same cursor and Link."""
    first = client.get("/product?limit=3")
    assert [product["sku"] for product in body(first)["products"]] == ["mug", "pot", "tea"]
    rest = read(client, f"/product?limit=3&cursor={body(first)['next']}")
    assert [product["sku"] for product in rest["products"]] == ["tin"]
    assert rest["next"] is None


def test_a_list_has_its_total_on_request(client: FlaskClient, numbers: list[int]) -> None:
    """The number of all entries that the filters select, on whichever page."""
    totals = {
        "/order?limit=2": 7,
        "/order?limit=2&product=tea": 7,
        "/order?limit=2&from=2031-05-02": 2,
        "/order?status=shipped,delivered": 0,
        "/product?limit=1": 4,
        "/product?category=tea": 1,
        "/product/tea/stock": 1,
        "/shipment?state=shipped": 0,
        "/failure": 0,
    }
    for path, total in totals.items():
        joint = "&" if "?" in path else "?"
        page = read(client, f"{path}{joint}total=true")
        assert page["total"] == total, path
        assert "total" not in read(client, path)
        if page["next"]:
            rest = read(client, f"{path}&total=true&cursor={page['next']}")
            assert rest["total"] == total, path
            read(client, f"{path}&cursor={page['next']}")


@pytest.mark.parametrize(
    "path", ["/order?q=ada", "/product?q=tea", "/product?archived=true&category=tea"]
)
def test_a_search_has_no_total(client: FlaskClient, numbers: list[int], path: str) -> None:
    """Null: to count the matches, everything would be read."""
    assert read(client, f"{path}&total=true")["total"] is None
    assert "total" not in read(client, f"{path}&total=false")
