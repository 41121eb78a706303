"""Change feeds list every changed key of a collection, by whichever process."""

import threading
from collections.abc import Callable

import pytest

from app.store import Store
from tests.store.conftest import PATIENCE_S
from tests.store.shop import note, order, put_orders
from tests.transactions import transaction

MakeStore = Callable[[], Store]


def test_feed_names_what_changed_in_the_order_of_the_commits(store: Store) -> None:
    """Each key that was put or deleted is listed once, and not again by the next take."""
    feed = store.change_feed("orders")
    put_orders(store, order("b"))
    put_orders(store, order("a"), order("c"))
    with transaction(store) as tx:
        tx.delete("orders", "b")
    assert feed.take(timeout_s=PATIENCE_S) == ["b", "a", "c"]
    assert feed.take(timeout_s=0) == []


def test_feed_of_two_collections_names_the_keys_of_both(store: Store) -> None:
    """A reader that waits for either needs one feed only."""
    feed = store.change_feed("orders", "notes")
    put_orders(store, order("b"))
    with transaction(store) as tx:
        note(tx, "n")
    put_orders(store, order("a"))
    assert feed.take(timeout_s=PATIENCE_S) == ["b", "n", "a"]


def test_feed_begins_when_it_is_opened(store: Store) -> None:
    """Documents from before the feed was opened are not listed."""
    put_orders(store, order("a"))
    assert store.change_feed("orders").take(timeout_s=0) == []


def test_feed_lists_changes_of_other_instances(make_store: MakeStore) -> None:
    """A change by another instance is listed like one of its own."""
    store, other = make_store(), make_store()
    feed = store.change_feed("orders")
    put_orders(other, order("a"))
    put_orders(store, order("b"))
    assert feed.take(timeout_s=PATIENCE_S) == ["a", "b"]


def test_feed_lists_no_failed_transaction(store: Store) -> None:
    """Transactions that failed, and other collections, are not listed."""
    feed = store.change_feed("orders")
    with pytest.raises(RuntimeError), transaction(store) as tx:
        tx.put("orders", order("a"))
        raise RuntimeError
    with transaction(store) as tx:
        note(tx, "n")
    assert feed.take(timeout_s=0) == []


def test_feeds_are_independent(store: Store) -> None:
    """Two feeds of one collection each list every change."""
    feeds = [store.change_feed("orders"), store.change_feed("orders")]
    put_orders(store, order("a"))
    assert [feed.take(timeout_s=PATIENCE_S) for feed in feeds] == [["a"], ["a"]]


def test_waiting_feed_wakes_up(make_store: MakeStore) -> None:
    """A change by any instance ends a wait in `take` long before its time-out."""
    store, other = make_store(), make_store()
    for writer in (store, other):
        feed = store.change_feed("orders")
        taken: list[str] = []
        waiter = threading.Thread(
            target=lambda feed=feed, taken=taken: taken.extend(feed.take(timeout_s=PATIENCE_S))
        )
        waiter.start()
        put_orders(writer, order("a"))
        waiter.join(PATIENCE_S / 2)
        assert taken == ["a"]


def test_wake_ends_a_wait(store: Store) -> None:
    """`wake` ends a wait though nothing changed, also a wait that begins afterwards."""
    feed = store.change_feed("orders")
    waiter = threading.Thread(target=feed.take, args=(PATIENCE_S,))
    waiter.start()
    feed.wake()
    waiter.join(PATIENCE_S / 2)
    assert not waiter.is_alive()
