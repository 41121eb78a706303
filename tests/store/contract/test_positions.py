"""Positions: equal positions mean that nothing has changed in between."""

from collections.abc import Callable

import pytest

from app.store import Store
from tests.store.shop import order, put_orders
from tests.transactions import transaction

MakeStore = Callable[[], Store]


def test_position_grows_with_every_change(make_store: MakeStore) -> None:
    """All instances return the same position, and a greater one after each change."""
    stores = [make_store() for _ in range(3)]
    seen = [stores[0].position()]
    for turn in range(6):
        put_orders(stores[turn % 3], order("a", total=str(turn)))
        positions = {store.position() for store in stores}
        assert len(positions) == 1
        seen += positions
    assert seen == sorted(set(seen))


def test_position_stays_while_nothing_changes(store: Store) -> None:
    """Reads, and transactions that were undone or changed nothing, do not move it."""
    put_orders(store, order("a"))
    before = store.position()
    with store.read() as view:
        view.get("orders", "a")
    with pytest.raises(RuntimeError), transaction(store) as tx:
        tx.put("orders", order("b"))
        raise RuntimeError
    with transaction(store) as tx:
        tx.get("orders", "a")
    assert store.position() == before


def test_position_is_the_same_after_a_restart(make_store: MakeStore) -> None:
    """Closing brings the files up to date, and changes no document."""
    store = make_store()
    put_orders(store, order("a"), order("b"))
    before = store.position()
    store.close()
    again = make_store()
    assert again.position() == before
    put_orders(again, order("c"))
    assert again.position() > before
