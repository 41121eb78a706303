"""Lists: filters, bounds, pages in both directions, counts and keys."""

from collections.abc import Mapping
from contextlib import suppress

import pytest

from app.store import IndexValue, Store, Transaction
from tests.store.shop import ids, note, order, put_orders
from tests.transactions import transaction

Where = Mapping[str, IndexValue | frozenset[IndexValue]]


@pytest.fixture
def shop(store: Store) -> Store:
    """Nine orders placed on days 1 to 9, every third one paid, with tea on even days."""
    put_orders(
        store,
        *(
            order(
                f"id-{9 - day}",
                placed=f"2026-11-0{day}",
                number=1000 + day,
                status="paid" if day % 3 == 0 else "placed",
                skus=["tea", "mug"] if day % 2 == 0 else ["mug"],
            )
            for day in range(1, 10)
        ),
    )
    return store


def days(store: Store, where: Where | None = None, **how: object) -> list[int]:
    """The days on which the orders of one page were placed."""
    with store.read() as view:
        found = view.find("orders", where, **how).documents  # type: ignore[arg-type]  # as find says
    return [int(each["placed"][-1]) for each in found]


def test_list_is_in_the_order_of_the_collection(shop: Store) -> None:
    """Documents come in the order of the sort text, or in the opposite one."""
    assert days(shop) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert days(shop, descending=True) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_equal_sort_texts_are_in_the_order_of_their_keys(store: Store) -> None:
    """Ties are broken by key, and one text that begins another comes first."""
    put_orders(store, order("b", placed="x"), order("c", placed="x y"), order("a", placed="x"))
    with store.read() as view:
        assert ids(view.find("orders").documents) == ["a", "b", "c"]


def test_filters_narrow_the_list_together(shop: Store) -> None:
    """A document has to match every filter; one with several values matches each of them."""
    assert days(shop, {"sku": "tea"}) == [2, 4, 6, 8]
    assert days(shop, {"status": "paid"}) == [3, 6, 9]
    assert days(shop, {"sku": "tea", "status": "paid"}) == [6]
    assert days(shop, {"sku": "tea", "status": "paid", "number": 1006}) == [6]
    assert days(shop, {"sku": "tea", "number": 1001}) == []
    assert days(shop, {"status": "lost"}) == []


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("where", [None, {"sku": "tea"}])
def test_the_first_documents_are_skipped(
    shop: Store, *, descending: bool, where: Where | None
) -> None:
    """In either direction, with a limit or none; a page after the end is empty."""
    all_days = days(shop, where, descending=descending)
    assert days(shop, where, descending=descending, skip=2) == all_days[2:]
    assert days(shop, where, descending=descending, skip=1, limit=2) == all_days[1:3]
    assert days(shop, where, descending=descending, skip=20, limit=2) == []


def test_a_set_stands_for_any_of_its_values(shop: Store) -> None:
    """In the order of the list, each document once; beside other filters, bounds and pages."""
    either = frozenset({"tea", "mug"})
    assert days(shop, {"sku": either}) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert days(shop, {"sku": either}, descending=True, limit=2) == [9, 8]
    assert days(shop, {"number": frozenset({1002, 1006, 7}), "status": "paid"}) == [6]
    assert days(shop, {"status": frozenset({"paid", "lost"})}, low="2026-11-04") == [6, 9]
    assert days(shop, {"status": frozenset({"lost"})}) == days(shop, {"status": frozenset()}) == []
    with transaction(shop) as tx:
        tx.put("orders", order("id-0", placed="2026-11-10", number=1010, skus=["pot"]))
        assert tx.count("orders", {"sku": frozenset({"tea", "pot"})}) == 5
        first = tx.find("orders", {"sku": frozenset({"tea", "pot"})}, limit=4)
        rest = tx.find("orders", {"sku": frozenset({"tea", "pot"})}, after=first.next)
    assert [each["number"] for each in rest.documents] == [1010]


def test_bounds_are_inclusive(shop: Store) -> None:
    """`low` and `high` bound the sort text, both ends counted, in either direction."""
    assert days(shop, low="2026-11-03", high="2026-11-05") == [3, 4, 5]
    assert days(shop, low="2026-11-08") == [8, 9]
    assert days(shop, high="2026-11-02", descending=True) == [2, 1]
    assert days(shop, {"sku": "tea"}, low="2026-11-03", high="2026-11-06") == [4, 6]
    assert days(shop, low="2026-11-05", high="2026-11-03") == []


@pytest.mark.parametrize("where", [None, {"sku": "tea"}, {"sku": "mug", "status": "placed"}])
@pytest.mark.parametrize(
    ("low", "high"),
    [("", None), ("2026-11-03", "2026-11-05"), ("2026-11-08", None), ("", "2026-11-02"),
     ("2026-11-05", "2026-11-03")],
)  # fmt: skip
def test_counts_have_the_bounds_of_lists(
    shop: Store, where: Where | None, low: str, high: str | None
) -> None:
    """`count` equals the length of `find`, also with uncommitted changes."""
    with transaction(shop) as tx:
        tx.put("orders", order("id-6", placed="2026-11-08", status="placed", skus=["mug"]))
        tx.put("orders", order("new", placed="2026-11-05", status="placed", skus=["tea", "mug"]))
        tx.delete("orders", "id-5")
        found = tx.find("orders", where, low=low, high=high).documents
        assert tx.count("orders", where, low=low, high=high) == len(found)
    with shop.read() as view:
        assert view.count("orders", where, low=low, high=high) == len(found)


def test_changed_document_moves_in_every_list(shop: Store) -> None:
    """After a change of sort text and filters a document is only in its new places."""
    put_orders(shop, order("id-8", placed="2026-12-01", status="paid", skus=["pot"]))
    with shop.read() as view:
        assert ids(view.find("orders", descending=True, limit=1).documents) == ["id-8"]
        assert ids(view.find("orders", {"sku": "pot"}).documents) == ["id-8"]
        assert view.count("orders", {"sku": "mug"}) == 8
        assert view.count("orders", {"status": "paid"}) == 4


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 4, 9, 10])
@pytest.mark.parametrize("where", [None, {"sku": "mug"}, {"sku": "tea", "status": "placed"}])
def test_pages_join_to_the_whole_list(
    shop: Store, *, descending: bool, limit: int, where: Where | None
) -> None:
    """Following the cursors gives every document once, and the last page has none."""
    pages, cursor = [], None
    while True:
        with shop.read() as view:
            page = view.find("orders", where, limit=limit, after=cursor, descending=descending)
        pages.append(page.documents)
        cursor = page.next
        if cursor is None:
            break
    assert all(len(page) == limit for page in pages[:-1])
    joined = [int(each["placed"][-1]) for page in pages for each in page]
    assert joined == days(shop, where, descending=descending)


@pytest.mark.parametrize("descending", [False, True])
def test_cursor_is_stable_while_documents_come_and_go(shop: Store, *, descending: bool) -> None:
    """Documents added or deleted between two pages cause no repeat and no gap."""
    with shop.read() as view:
        first = view.find("orders", limit=4, descending=descending)
    with transaction(shop) as tx:
        tx.put("orders", order("new-0", placed="2026-11-00"))
        tx.put("orders", order("new-9", placed="2026-11-099"))
        tx.delete("orders", first.documents[-1]["order_id"])
    with shop.read() as view:
        rest = view.find("orders", after=first.next, descending=descending)
    old = [each for each in rest.documents if not each["order_id"].startswith("new")]
    assert [int(each["placed"][-1]) for each in old] == (
        [5, 4, 3, 2, 1] if descending else [5, 6, 7, 8, 9]
    )


def test_empty_page_is_the_last_one(shop: Store) -> None:
    """Without matches, or with a limit of 0, there are no documents and no cursor."""
    with shop.read() as view:
        assert view.find("orders", low="2027") == ([], None)
        assert view.find("orders", limit=0) == ([], None)


def test_count_follows_every_change(shop: Store) -> None:
    """Counts are those of the list, with no filter, one, or several."""
    with transaction(shop) as tx:
        tx.delete("orders", "id-3")  # day 6
    with shop.read() as view:
        assert view.count("orders") == 8
        assert view.count("orders", {"status": "paid"}) == 2
        assert view.count("orders", {"sku": "tea", "status": "placed"}) == 3
        assert view.count("orders", {"sku": "none"}) == 0


def test_values_of_an_index_are_counted(shop: Store) -> None:
    """Each value that a document has, uncommitted ones too; one that no document has is gone."""
    with transaction(shop) as tx:
        tx.put("orders", order("id-3", status="lost", skus=["pot", "mug"]))  # day 6
        tx.delete("orders", "id-0")
        staged = tx.count_values("orders", "sku"), tx.count_values("orders", "status")
    assert staged == ({"tea": 3, "mug": 8, "pot": 1}, {"placed": 6, "paid": 1, "lost": 1})
    with transaction(shop) as tx:
        tx.delete("orders", "id-3")
        assert tx.count_values("orders", "status") == {"placed": 6, "paid": 1}
    with shop.read() as view:
        assert view.count_values("orders", "sku") == {"tea": 3, "mug": 7}
        with pytest.raises(ValueError, match="colour"):
            view.count_values("orders", "colour")


def test_large_lists_keep_their_order(store: Store) -> None:
    """Thousands of documents under one value are listed, counted and removed like a few."""
    names = [f"{n * 7919 % 2003:04}" for n in range(2003)]
    put_orders(store, *(order(name, placed=name, status="placed") for name in names))
    with transaction(store) as tx:
        for name in names[::2]:
            tx.delete("orders", name)
    left = sorted(names[1::2])
    with store.read() as view:
        assert ids(view.find("orders", {"status": "placed"}).documents) == left
        assert ids(view.find("orders", descending=True, limit=3).documents) == left[:-4:-1]
        assert view.count("orders", {"status": "placed"}) == len(left)


def test_keys_are_those_of_the_documents(store: Store) -> None:
    """Every key comes once, of a collection without indexes too."""
    with transaction(store) as tx:
        for n in range(5):
            note(tx, f"n{n}")
    with transaction(store) as tx:
        tx.delete("notes", "n3")
        note(tx, "n1", "again")
    with store.read() as view:
        assert sorted(view.keys("notes")) == ["n0", "n1", "n2", "n4"]


def test_filter_that_is_not_indexed_is_refused(store: Store) -> None:
    """A filter that the collection does not declare raises ValueError; it is no empty list."""
    with store.read() as view:
        with pytest.raises(ValueError, match="colour"):
            view.find("orders", {"colour": "red"})
        with pytest.raises(ValueError, match="not listed"):
            view.find("notes")
        with pytest.raises(ValueError, match="not listed"):
            view.count("notes")


class TestScanning:
    """Reading any collection in the order of its keys."""

    def test_scan_continues_after_a_key(self, shop: Store) -> None:
        """Keys come in order, whatever the order of the list; a full page may be the last."""
        assert scanned(shop, "", 4) == ["id-0", "id-1", "id-2", "id-3"]
        assert scanned(shop, "id-3", 4) == ["id-4", "id-5", "id-6", "id-7"]
        assert scanned(shop, "id-7", 4) == ["id-8"]
        assert scanned(shop, "id-8", 4) == []

    def test_scan_starts_at_a_missing_key(self, shop: Store) -> None:
        """A scan begins at the position that the missing key would have."""
        assert scanned(shop, "id-3x", 1) == ["id-4"]
        assert scanned(shop, "zebra", 1) == []

    def test_collection_without_indexes_can_be_scanned(self, store: Store) -> None:
        """A scan is the one way to read it in order."""
        with transaction(store) as tx:
            for number in (3, 1, 2):
                note(tx, f"n-{number}")
        assert scanned(store, "n-1", 9, "notes") == ["n-2", "n-3"]

    def test_scan_sees_uncommitted_changes(self, shop: Store) -> None:
        """A transaction scans what it has put, replaced and deleted."""
        with transaction(shop) as tx:
            tx.delete("orders", "id-1")
            tx.put("orders", order("id-00", number=2000))
            tx.put("orders", order("id-2", number=2002))
            found = tx.scan("orders", "id-", 4)
            assert ids(found) == ["id-0", "id-00", "id-2", "id-3"]
            assert found[2]["number"] == 2002


def scanned(store: Store, after: str, limit: int, collection: str = "orders") -> list[str]:
    """The keys that one scan returns."""
    with store.read() as view:
        return [next(iter(each.values())) for each in view.scan(collection, after, limit)]


class TestSearchInTransaction:
    """Searches in a transaction that has changed what they find."""

    def test_each_search_sees_what_was_staged_before_it(self, shop: Store) -> None:
        """Documents added, changed, deleted and undone between two searches count once."""
        where = {"status": "paid", "sku": "mug"}

        def paid(tx: Transaction) -> tuple[list[str], int, int]:
            found = tx.find("orders", where, descending=True).documents
            return ids(found), tx.count("orders", where), tx.count("orders", {"status": "paid"})

        with transaction(shop) as tx:
            assert paid(tx) == (["id-0", "id-3", "id-6"], 3, 3)
            tx.put("orders", order("id-1", placed="2026-11-08", status="paid", skus=["mug"]))
            tx.put("orders", order("id-3", placed="2026-11-06", status="paid", skus=["tea"]))
            assert paid(tx) == (["id-0", "id-1", "id-6"], 3, 4)
            tx.delete("orders", "id-0")
            tx.put("orders", order("new", placed="2026-11-01", status="paid", skus=["mug"]))
            assert paid(tx) == (["id-1", "id-6", "new"], 3, 4)
            with suppress(LookupError), tx.savepoint():
                tx.delete("orders", "id-1")
                tx.put("orders", order("other", status="paid", skus=["mug"]))
                assert paid(tx) == (["id-6", "new", "other"], 3, 4)
                raise LookupError
            inside = paid(tx)
            assert inside == (["id-1", "id-6", "new"], 3, 4)
        with shop.read() as view:
            assert ids(view.find("orders", where, descending=True).documents) == inside[0]
            assert view.count("orders", where) == inside[1]
