"""The search of the shipping page, and its pages."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.server.runtime import Runtime
from app.shipping.documents import SHIPMENTS
from app.store import matching
from app.web.layout.positions import PAGE_SIZE
from tests.over_http import place
from tests.transactions import transaction
from tests.web.page import Page

Settled = Callable[[], None]


@pytest.fixture(autouse=True)
def orders(client: FlaskClient, catalogue: dict[str, str], settled: Settled) -> None:
    """1001 is ready, 1002 shipped, 1003 waits for stock, 1004 ready."""
    for name in ("Ada Lovelace", "Grace Hopper"):
        place(client, name, tea=1)
    place(client, "Ada Byron", pot=3)
    place(client, "Zo\u00eb", tea=1)
    settled()
    parcel = {"carrier": "DHL", "tracking_number": "JD-0146 <b>"}
    assert client.post("/shipment/1002/ship", json=parcel).status_code == 200
    settled()


def shipping(client: FlaskClient, query: str = "") -> Page:
    """Return the list."""
    return Page(client.get(f"/shipping?{query.removeprefix('?')}"))


def numbers(page: Page) -> list[int]:
    """Return the orders that a list shows."""
    return [int(number) for number in re.findall(r"\b(100\d|5\d{3})\b", page.by_id["shipments"])]


FOUND: dict[str, list[int]] = {
    "": [1001, 1004],
    "find=1002": [1002],
    "find=%231003": [1003],
    "find=GRACE+hopper": [1002],
    "find=hopper": [1002],
    "find=ada": [1003, 1001],
    "find=zoe": [1004],
    "find=jd-0146+%3Cb%3E": [1002],
    "find=0146": [1002],
    "find=nobody": [],
    "find=ada&state=ready": [1001],
    "find=ada&state=shipped": [],
    "find=1002&state=ready": [],
    "state=waiting": [1003],
    "state=nonsense&unknown=1": [1001, 1004],
}
"""The orders whose shipments each query finds, in order."""


def test_shipments_are_found(client: FlaskClient) -> None:
    """By number, customer and tracking number, whole or in part, in all states or one."""
    assert {query: numbers(shipping(client, query)) for query in FOUND} == FOUND


@pytest.mark.parametrize("find", ["ada", "ada lovelace"])
def test_states_are_counted_within_the_search(client: FlaskClient, find: str) -> None:
    """Each leads to the search in that state; only a search has one for all of them."""
    assert "all" not in shipping(client).by_id["counts"]
    page = shipping(client, f"find={find}")
    counted = re.findall(r"(\w+) (\d+)", " ".join(page.by_id["counts"].split()))
    waiting = "1" if find == "ada" else "0"
    total = str(1 + int(waiting))
    expected = [("all", total), ("waiting", waiting), ("ready", "1"), ("shipped", "0")]
    assert counted == [*expected, ("delivered", "0")]
    link = next(link for link in page.links if link.endswith("state=ready"))
    assert numbers(shipping(client, link)) == [1001]


def test_what_was_typed_is_shown(client: FlaskClient) -> None:
    """Escaped, in the field, and there is a sentence when nothing is found."""
    page = shipping(client, "find=%22%3Cb%3E")
    assert page.fields["find"]["value"] == '"<b>'
    assert "No shipment is like that." in page.text


def test_ready_ones_can_be_chosen_in_a_search(client: FlaskClient) -> None:
    """Also in a list of several states, where the others have no box."""
    page = shipping(client, "find=ada")
    assert page.fields["order"]["value"] == "1001"
    assert "/shipping/chosen?order=1001" in page.links
    assert "order" not in shipping(client, "find=hopper").fields


@pytest.fixture
def many(runtime: Runtime) -> None:
    """Ready shipments of Ad Ada, that fill a page beside the other two that are ready."""
    with transaction(runtime.store) as tx:
        ready = tx.find(SHIPMENTS.name, {"state": "ready"}, limit=1).documents[0]
        for n in range(PAGE_SIZE):
            copy = {"shipment_id": f"f-{n:03}", "order_number": 5000 + n}
            tx.put(SHIPMENTS.name, ready | copy | {"customer_name": "Ad Ada"})


@pytest.mark.parametrize(("query", "total"), [("", 52), ("state=ready&find=ad", 51)])
def test_the_list_has_pages(client: FlaskClient, many: None, query: str, total: int) -> None:
    """With the position of each, and links both ways; each shipment is on one of them."""
    first = shipping(client, query)
    assert f"1–{PAGE_SIZE} of {total}" in first.text
    links = [link for link in first.links if "page=" in link]
    second = shipping(client, links[0])
    assert f"{PAGE_SIZE + 1}–{total} of {total}" in second.text
    assert len(set(numbers(first) + numbers(second))) == total
    [back] = [link for link in second.links if "page=" in link]
    assert numbers(shipping(client, back)) == numbers(first)


@pytest.mark.parametrize("page", ["0", "-1", "two", "99", "9" * 30])
def test_a_page_that_there_is_not(client: FlaskClient, page: str) -> None:
    """The nearest one is shown."""
    assert numbers(shipping(client, f"page={page}")) == [1001, 1004]


def test_other_words_are_searched_in_the_newest_orders(
    client: FlaskClient, runtime: Runtime
) -> None:
    """The page says so, and leads on to older ones; a number or a whole name is found among all."""
    with transaction(runtime.store) as tx:
        ready = tx.find(SHIPMENTS.name, {"state": "ready"}, limit=1).documents[0]
        for n in range(matching.MAX_SCANNED):
            copy = {"shipment_id": f"f-{n:04}", "order_number": 20000 + n}
            tx.put(SHIPMENTS.name, ready | copy | {"customer_name": "Somebody"})
    page = shipping(client, "find=hopper")
    assert numbers(page) == []
    assert "2,000 shipments at a time" in page.text
    older = next(link for link in reversed(page.links) if "cursor=" in link)
    assert numbers(shipping(client, older)) == [1002]
    assert numbers(shipping(client, "find=1002")) == [1002]
    assert numbers(shipping(client, "find=grace+hopper")) == [1002]
