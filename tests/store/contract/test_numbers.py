"""Ids and numbers are issued once, and in order."""

import uuid
from collections.abc import Callable

import pytest

from app.store import Store, Transaction
from tests.store.conftest import Together
from tests.store.shop import order
from tests.transactions import transaction


def test_new_ids_are_time_ordered_uuids(store: Store) -> None:
    """Each is a UUID of version 7 in its usual text."""
    with transaction(store) as tx:
        given = [tx.new_id() for _ in range(100)]
    assert {uuid.UUID(each).version for each in given} == {7}
    assert [str(uuid.UUID(each)) for each in given] == given
    assert given == sorted(set(given))


def test_new_ids_increase_over_threads_and_instances(
    make_store: Callable[[], Store], together: Together
) -> None:
    """In the order of the transactions every id is greater than all before it."""
    stores = [make_store(), make_store()]

    def place(store: Store) -> None:
        for _ in range(10):
            store.run_in_transaction(place_one)

    def place_one(tx: Transaction) -> None:
        tx.put("orders", order(tx.new_id(), number=tx.next_number("orders")))

    together(lambda store=stores[n % 2]: place(store) for n in range(6))
    with stores[0].read() as view:
        found = view.find("orders").documents
    by_number = sorted(found, key=lambda each: int(each["number"]))
    given = [each["order_id"] for each in by_number]
    assert [each["number"] for each in by_number] == list(range(1, 61))
    assert given == sorted(set(given))


def test_new_ids_increase_after_reopening(make_store: Callable[[], Store]) -> None:
    """An id is greater than those issued before the store was closed."""
    store = make_store()
    with transaction(store) as tx:
        before = tx.new_id()
    store.close()
    with transaction(make_store()) as tx:
        assert tx.new_id() > before


def test_numbers_have_no_gap_when_a_transaction_fails(store: Store) -> None:
    """The number of a transaction or savepoint that raised is issued to the next one."""
    with transaction(store) as tx:
        assert tx.next_number("orders", first=1001) == 1001
    with pytest.raises(RuntimeError), transaction(store) as tx:
        assert tx.next_number("orders", first=1001) == 1002
        raise RuntimeError
    with transaction(store) as tx:
        with pytest.raises(RuntimeError), tx.savepoint():
            assert tx.next_number("orders", first=1001) == 1002
            raise RuntimeError
        assert tx.next_number("orders", first=1001) == 1002


def test_the_last_number_of_a_series_is_known(store: Store) -> None:
    """0 before the first; a number of a transaction that raised does not count."""
    with store.read() as view:
        assert view.last_number("orders") == 0
    with transaction(store) as tx:
        tx.next_number("orders", first=1001)
        assert tx.last_number("orders") == 1001
    with pytest.raises(RuntimeError), transaction(store) as tx:
        tx.next_number("orders", first=1001)
        raise RuntimeError
    with store.read() as view:
        assert (view.last_number("orders"), view.last_number("invoices")) == (1001, 0)


def test_series_are_independent(store: Store) -> None:
    """Orders and invoices are numbered separately."""
    with transaction(store) as tx:
        assert [tx.next_number("orders"), tx.next_number("orders")] == [1, 2]
        assert tx.next_number("invoices", first=500) == 500


def test_numbers_with_gaps_increase(make_store: Callable[[], Store], together: Together) -> None:
    """Over threads and instances none is issued twice, and a later one is greater."""
    stores = [make_store(), make_store()]

    def number(store: Store) -> int:
        return store.run_in_transaction(
            lambda tx: tx.next_number("parcels", first=1001, has_gaps=True)
        )

    numbers = together(lambda store=stores[n % 2]: number(store) for n in range(6))
    assert len(set(numbers)) == 6 and min(numbers) == 1001
    last = number(stores[0])
    assert last > max(numbers)
    with stores[1].read() as view:
        assert view.last_number("parcels") == last


def test_no_id_is_issued_below_the_horizon(make_store: Callable[[], Store]) -> None:
    """Every stored id is below it, and every later one is not."""
    store, other = make_store(), make_store()
    with transaction(store) as tx:
        before = tx.new_id()
        tx.put("orders", order(before))
    horizon = other.id_horizon()
    with transaction(store) as tx:
        after = tx.new_id()
    assert before < horizon
    assert after >= horizon or horizon == "g"  # on files the order of commits is that of ids
