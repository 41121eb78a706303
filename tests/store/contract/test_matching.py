"""Finding documents that no index knows: pages are read in batches, and pages stay complete."""

import pytest

from app.store import Document, Page, Store, View
from app.store.matching import BATCH_SIZE, EXPORT_BATCH_SIZE, find_matching, read_all, scan_all
from tests.store.shop import COLLECTIONS, order
from tests.transactions import transaction


@pytest.fixture
def stored(store: Store) -> Store:
    """Ten orders, o0 to o9."""
    with transaction(store) as tx:
        for number in range(10):
            tx.put("orders", order(f"o{number}"))
    return store


def orders(view: View, after: str | None, limit: int) -> Page:
    return view.find("orders", after=after, limit=limit)


def is_odd(document: Document) -> bool:
    return int(document["order_id"][1:]) % 2 == 1


def ids(page: Page) -> list[str]:
    return [each["order_id"] for each in page.documents]


def test_pages_have_each_match_once(stored: Store) -> None:
    """A page may end inside a batch; the next one begins behind its last match."""
    first = find_matching(stored, orders, is_odd, after=None, limit=2, batch_size=4)
    rest = find_matching(stored, orders, is_odd, after=first.next, limit=9, batch_size=4)
    assert ids(first) == ["o1", "o3"] and ids(rest) == ["o5", "o7", "o9"]
    assert rest.next is None


def test_page_that_ends_inside_a_batch_continues_there(stored: Store) -> None:
    """A match behind the page's last one, in the same batch, belongs to the next page."""
    first = find_matching(stored, orders, is_odd, after=None, limit=1, batch_size=5)
    second = find_matching(stored, orders, is_odd, after=first.next, limit=1, batch_size=5)
    assert ids(first) == ["o1"] and ids(second) == ["o3"]


def test_search_stops_after_max_scanned(stored: Store) -> None:
    """The page may be empty, and its `next` leads to the remaining matches."""
    page = find_matching(
        stored,
        orders,
        lambda each: each["order_id"] == "o9",
        after=None,
        limit=1,
        batch_size=3,
        max_scanned=6,
    )
    assert page.documents == [] and page.next is not None
    rest = find_matching(stored, orders, is_odd, after=page.next, limit=9)
    assert ids(rest) == ["o7", "o9"]


def test_a_scan_has_every_document_once(store: Store) -> None:
    """In the order of the keys, also where the last batch is a full one."""
    with transaction(store) as tx:
        for number in range(BATCH_SIZE * 2):
            tx.put("orders", order(f"o{number:04}"))
    (orders,) = (each for each in COLLECTIONS if each.name == "orders")
    scanned = [each["order_id"] for each in scan_all(store, orders)]
    assert scanned == [f"o{number:04}" for number in range(BATCH_SIZE * 2)]


def test_a_whole_list_has_every_document_once(store: Store) -> None:
    """Across its pages, of which the last one has a single document."""
    with transaction(store) as tx:
        for number in range(EXPORT_BATCH_SIZE + 1):
            tx.put("orders", order(f"o{number:04}"))
    read = [each["order_id"] for each in read_all(store, orders)]
    assert read == [f"o{number:04}" for number in range(EXPORT_BATCH_SIZE + 1)]
