"""Transactions are atomic, visible to every instance at once, and durable."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from app.kernel.errors import Unavailable
from app.store import Store, Transaction
from tests.store.conftest import Together
from tests.store.shop import all_orders, get_order, ids, note, order, put_orders
from tests.transactions import transaction

MakeStore = Callable[..., Store]


class ChangeOfMind(Exception):
    """Something went wrong in the middle of a transaction."""


def increment(tx: Transaction, order_id: str) -> None:
    """Add one to the total of an order, which starts at 0."""
    found = tx.get("orders", order_id) or order(order_id, total="0")
    tx.put("orders", order(order_id, total=str(int(found["total"]) + 1)))


def test_put_document_is_read_back(store: Store) -> None:
    """A document is read as it was put, with every kind of JSON value."""
    document = order(
        "a", none=None, yes=True, half=0.5, big=2**63, text="Grüße\n\u2028\x00", deep=[{}]
    )
    put_orders(store, document)
    assert get_order(store, "a") == document


def test_put_replaces_the_whole_document(store: Store) -> None:
    """A second put leaves nothing of the first document."""
    put_orders(store, order("a", status="placed"))
    put_orders(store, order("a", total="2"))
    assert get_order(store, "a") == order("a", total="2")


def test_unknown_key_returns_none(store: Store) -> None:
    """Reading a missing document is no error."""
    assert get_order(store, "a") is None


def test_deleted_document_is_gone(store: Store) -> None:
    """A deleted document is neither read nor listed, and can be put again."""
    put_orders(store, order("a"), order("b"))
    store.run_in_transaction(lambda tx: tx.delete("orders", "a"))
    assert list(all_orders(store)) == ["b"]
    put_orders(store, order("a", total="3"))
    assert get_order(store, "a") == order("a", total="3")


def test_deleting_a_missing_document_does_nothing(store: Store) -> None:
    """Deleting twice has the effect of deleting once."""
    store.run_in_transaction(lambda tx: tx.delete("orders", "a"))
    assert all_orders(store) == {}


def test_exception_undoes_the_whole_transaction(store: Store) -> None:
    """Work that raises changes nothing in any collection, and its error is passed on."""
    put_orders(store, order("a"))

    def change_and_raise(tx: Transaction) -> None:
        tx.put("orders", order("a", total="2"))
        tx.put("orders", order("b"))
        note(tx, "n")
        tx.delete("orders", "a")
        raise ChangeOfMind

    with pytest.raises(ChangeOfMind):
        store.run_in_transaction(change_and_raise)
    with store.read() as view:
        assert view.get("orders", "a") == order("a")
        assert view.get("orders", "b") is None
        assert view.get("notes", "n") is None


def test_result_of_the_work_is_returned(store: Store) -> None:
    """What `work` returns is returned, None too, once its changes can be read."""

    def place(tx: Transaction) -> int:
        tx.put("orders", order("a"))
        return tx.next_number("orders")

    assert store.run_in_transaction(place) == 1
    assert get_order(store, "a") == order("a")
    assert store.run_in_transaction(lambda tx: tx.get("orders", "b")) is None


def test_transactions_in_turn_run_one_at_a_time(store: Store) -> None:
    """The second reads when the first has ended, so it sees what that wrote and is not repeated."""
    has_second_read = threading.Event()
    runs: list[str] = []

    def first(tx: Transaction) -> None:
        runs.append("first")
        increment(tx, "a")
        waiting.start()
        assert not has_second_read.wait(0.2)

    def second(tx: Transaction) -> None:
        runs.append("second")
        increment(tx, "a")
        has_second_read.set()

    waiting = threading.Thread(
        target=partial(store.run_in_transaction, second, in_turn=True), daemon=True
    )
    store.run_in_transaction(first, in_turn=True)
    waiting.join()
    assert runs == ["first", "second"]
    assert get_order(store, "a") == order("a", total="2")


def test_transaction_in_a_transaction_is_refused(make_store: MakeStore) -> None:
    """It raises Unavailable and does not deadlock; the outer one can go on."""
    store = make_store(lock_timeout_s=0.05)

    def nest(tx: Transaction) -> None:
        tx.put("orders", order("a"))
        with pytest.raises(Unavailable):
            put_orders(store, order("b"))
        tx.put("orders", order("c"))

    store.run_in_transaction(nest)
    assert sorted(all_orders(store)) == ["a", "c"]


def test_savepoint_undoes_its_own_block_only(store: Store) -> None:
    """A savepoint that raises undoes its own changes and those of the savepoints inside it."""
    with transaction(store) as tx:
        tx.put("orders", order("a", total="1"))
        with pytest.raises(ChangeOfMind), tx.savepoint():
            tx.put("orders", order("a", total="2"))
            with tx.savepoint():
                tx.put("orders", order("b"))
                tx.delete("orders", "a")
            raise ChangeOfMind
        tx.put("orders", order("c"))
    assert all_orders(store) == {"a": order("a", total="1"), "c": order("c")}


def test_savepoint_that_succeeds_is_kept(store: Store) -> None:
    """The changes of a savepoint that does not raise are part of the transaction."""
    with transaction(store) as tx, tx.savepoint():
        tx.put("orders", order("a"))
    assert get_order(store, "a") == order("a")


def test_document_put_is_a_copy(store: Store) -> None:
    """Later changes to a document that was put don't count."""
    document = order("a", skus=["tea"])
    with transaction(store) as tx:
        tx.put("orders", document)
        document["skus"].append("mug")
    assert get_order(store, "a") == order("a", skus=["tea"])


def test_document_read_is_a_copy(store: Store) -> None:
    """Changes to a document that was read or found change nothing in the store."""
    put_orders(store, order("a", skus=["tea"]))
    with transaction(store) as tx:
        for found in (tx.get("orders", "a"), tx.find("orders").documents[0]):
            assert found is not None
            found["skus"].append("mug")
        assert tx.get("orders", "a") == order("a", skus=["tea"])
    assert get_order(store, "a") == order("a", skus=["tea"])


def test_transaction_sees_its_own_changes(store: Store) -> None:
    """Inside a transaction get, find, count and keys all show what it has done so far."""
    put_orders(store, order("a", status="placed"), order("b", status="placed"), order("c"))
    with transaction(store) as tx:
        tx.put("orders", order("a", status="paid"))
        tx.put("orders", order("d", status="placed"))
        tx.delete("orders", "c")
        assert tx.get("orders", "c") is None
        assert ids(tx.find("orders").documents) == ["a", "b", "d"]
        assert ids(tx.find("orders", {"status": "placed"}).documents) == ["b", "d"]
        assert ids(tx.find("orders", {"status": "paid"}).documents) == ["a"]
        assert (tx.count("orders"), tx.count("orders", {"status": "placed"})) == (3, 2)
        assert sorted(tx.keys("orders")) == ["a", "b", "d"]


def test_prefetch_changes_nothing_that_is_read(store: Store) -> None:
    """Neither of what the transaction has changed before or afterwards, nor of what is missing."""
    put_orders(store, order("a"), order("b"), order("c"))
    places = [("orders", key) for key in ("a", "b", "c", "missing", "\x00")]
    with transaction(store) as tx:
        tx.put("orders", order("a", total="2"))
        with pytest.raises(ChangeOfMind), tx.savepoint():
            tx.delete("orders", "b")
            tx.prefetch(places)
            assert tx.get("orders", "b") is None
            raise ChangeOfMind
        tx.prefetch(places)
        tx.put("orders", order("c", total="3"))
        read = [tx.get(*place) for place in places]
    expected = [order("a", total="2"), order("b"), order("c", total="3"), None, None]
    assert read == expected
    with store.read() as view:
        view.prefetch(places)
        assert [view.get(*place) for place in places] == expected


def test_view_sees_no_unfinished_transaction(make_store: MakeStore) -> None:
    """Until the work has ended, no view shows its changes."""
    store, other = make_store(), make_store()
    with transaction(store) as tx:
        tx.put("orders", order("a"))
        assert get_order(other, "a") is None
        assert get_order(store, "a") is None


def test_instances_see_each_others_commits_at_once(make_store: MakeStore) -> None:
    """The next read or transaction of any instance sees what another has committed."""
    stores = [make_store() for _ in range(3)]
    for turn in range(9):
        stores[turn % 3].run_in_transaction(lambda tx: increment(tx, "a"))
        assert [get_order(store, "a") for store in stores] == [order("a", total=str(turn + 1))] * 3


def test_reopened_store_is_the_same(make_store: MakeStore) -> None:
    """Closing and opening again changes nothing: documents, lists, numbers."""
    store = make_store()
    put_orders(store, order("a", status="placed"), order("b", status="placed"), order("c"))
    with transaction(store) as tx:
        tx.delete("orders", "b")
        number = tx.next_number("orders")
    store.close()
    again = make_store()
    assert all_orders(again) == {"a": order("a", status="placed"), "c": order("c")}
    with transaction(again) as tx:
        assert ids(tx.find("orders", {"status": "placed"}).documents) == ["a"]
        assert tx.next_number("orders") == number + 1


def test_many_threads_lose_no_update(make_store: MakeStore, together: Together) -> None:
    """Of increments by eight threads over two instances, none is lost."""
    stores = [make_store(), make_store()]

    def add(store: Store) -> None:
        for _ in range(15):
            store.run_in_transaction(lambda tx: increment(tx, "sum"))

    together(lambda store=stores[n % 2]: add(store) for n in range(8))
    assert [get_order(store, "sum") for store in stores] == [order("sum", total="120")] * 2


def test_failing_transaction_does_not_touch_its_neighbours(
    store: Store, together: Together
) -> None:
    """Of transactions that run at the same time, exactly those that raised are missing."""

    def place(n: int, tx: Transaction) -> None:
        tx.put("orders", order(f"order-{n}"))
        if n % 3 == 0:
            raise ChangeOfMind

    def attempt(n: int) -> bool:
        try:
            store.run_in_transaction(partial(place, n))
        except ChangeOfMind:
            return False
        return True

    kept = together(lambda n=n: attempt(n) for n in range(12))
    assert kept == [n % 3 != 0 for n in range(12)]
    assert sorted(all_orders(store)) == sorted(f"order-{n}" for n in range(12) if n % 3)


@pytest.mark.parametrize(
    "document",
    [{}, {"total": "1", "order_id": "a"}, order(7), order(None), order(""), order("a\x1fb")],  # type: ignore[arg-type]  # it is the wrong types that are meant
    ids=["empty", "key not first", "number", "null", "empty key", "separator"],
)
def test_document_without_a_proper_key_is_refused(
    store: Store, document: dict[str, object]
) -> None:
    """Unless the key is the first field and a text, `put` raises ValueError."""
    with pytest.raises(ValueError, match="order_id"), transaction(store) as tx:
        tx.put("orders", document)
    assert all_orders(store) == {}


@pytest.mark.parametrize(
    "value",
    [{1, 2}, object(), "\ud800", 2**70, {1: 2}, float("nan"), [{"deep": float("-inf")}]],
    ids=["set", "object", "surrogate", "big", "key", "nan", "infinity"],
)
def test_document_that_is_not_json_is_refused(store: Store, value: object) -> None:
    """`put` raises for a value that is not JSON, which undoes the transaction."""
    with pytest.raises((TypeError, ValueError)), transaction(store) as tx:
        tx.put("orders", order("a"))
        tx.put("orders", order("b", value=value))
    assert all_orders(store) == {}


def test_document_that_cannot_be_indexed_is_refused(store: Store) -> None:
    """When a function of the collection raises, the transaction is undone."""
    with pytest.raises(TypeError), transaction(store) as tx:
        tx.put("orders", order("a", status="placed"))
        tx.put("orders", order("b", skus=7))
    put_orders(store, order("c", status="placed"))
    with store.read() as view:
        assert ids(view.find("orders").documents) == ["c"]


def test_document_is_stored_as_json(store: Store) -> None:
    """A tuple is read as a list, also beside null, numbers and nested members."""
    kept = order("a", note=None, weights=[0.5, 1], sizes={"box": [1, 2]})
    put_orders(store, kept | {"weights": (0.5, 1), "sizes": {"box": (1, 2)}})
    assert get_order(store, "a") == kept
