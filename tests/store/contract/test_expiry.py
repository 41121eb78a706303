"""The deletion of expired documents, a few at a time."""

from app.store import Store, Transaction
from app.store.expiry import delete_expired
from tests.store.shop import ORDERS, all_orders, order, put_orders


def delete(store: Store, limit: int) -> bool:
    """Delete orders of the time up to 3, or from 8 on."""

    def work(tx: Transaction) -> bool:
        return delete_expired(tx, ORDERS, until="3", ahead="8", limit=limit)

    return store.run_in_transaction(work)


def test_what_is_too_old_or_ahead_is_deleted_a_few_at_a_time(store: Store) -> None:
    """Both bounds are expired, and all between them stays; the result says whether any was."""
    put_orders(store, *(order(time, placed=time) for time in "123456789"))
    assert delete(store, limit=2)
    assert sorted(all_orders(store)) == ["3", "4", "5", "6", "7"]
    assert delete(store, limit=2)
    assert sorted(all_orders(store)) == ["4", "5", "6", "7"]
    assert not delete(store, limit=2)
    assert sorted(all_orders(store)) == ["4", "5", "6", "7"]
