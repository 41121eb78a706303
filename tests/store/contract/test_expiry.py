"""The deletion of expired documents, a few at a time."""

from collections.abc import Callable
from typing import cast

from freezegun import freeze_time

from app.store import Store, Transaction
from app.store.expiry import Expiry, delete_expired
from tests.store.shop import ORDERS, all_orders, order, put_orders

EXPIRY = Expiry(ORDERS, after_s=60, max_ahead_s=240)


def delete(store: Store, limit: int) -> bool:
    """Delete orders of 09:03 and before, and from 09:08 on."""
    with freeze_time("2026-11-21T09:04:00Z"):
        return delete_expired(store, EXPIRY, limit)


def test_what_is_too_old_or_ahead_is_deleted_a_few_at_a_time(store: Store) -> None:
    """Both bounds are expired, and all between them stays; the result says whether any was."""
    times = {minute: f"2026-11-21T09:0{minute}:00.000Z" for minute in "123456789"}
    put_orders(store, *(order(minute, placed=time) for minute, time in times.items()))
    assert delete(store, limit=2)
    assert sorted(all_orders(store)) == ["3", "4", "5", "6", "7"]
    assert delete(store, limit=2)
    assert sorted(all_orders(store)) == ["4", "5", "6", "7"]
    assert not delete(store, limit=2)
    assert sorted(all_orders(store)) == ["4", "5", "6", "7"]


def test_document_that_is_stored_again_meanwhile_stays(store: Store) -> None:
    """A key is used again at the moment when it is about to be deleted."""

    class Meanwhile:
        read = store.read

        def run_in_transaction(self, work: Callable[[Transaction], None]) -> None:
            put_orders(store, order("a", placed="2026-11-21T09:04:00.000Z"))
            store.run_in_transaction(work)

    put_orders(store, order("a", placed="2026-11-21T09:00:00.000Z"))
    assert delete(cast(Store, Meanwhile()), limit=2)
    assert list(all_orders(store)) == ["a"]
