"""Feeds: who follows a collection is told of every change, by whomever."""

import threading
from collections.abc import Callable

import pytest

from app.store import Store
from tests.store.conftest import PATIENCE_S
from tests.store.shop import note, order, put_orders

MakeStore = Callable[[], Store]


def test_feed_names_what_changed_in_the_order_of_the_commits(store: Store) -> None:
    """Put, put again and deleted: every key that changed is told, once, and then no more."""
    feed = store.change_feed("orders")
    put_orders(store, order("b"))
    put_orders(store, order("a"), order("c"))
    with store.transaction() as tx:
        tx.delete("orders", "b")
    assert feed.take(timeout_s=PATIENCE_S) == ["b", "a", "c"]
    assert feed.take(timeout_s=0) == []


def test_feed_begins_now(store: Store) -> None:
    """What was there before is not news."""
    put_orders(store, order("a"))
    assert store.change_feed("orders").take(timeout_s=0) == []


def test_feed_tells_of_other_instances(make_store: MakeStore) -> None:
    """A change by another instance is told like one's own."""
    store, other = make_store(), make_store()
    feed = store.change_feed("orders")
    put_orders(other, order("a"))
    put_orders(store, order("b"))
    assert feed.take(timeout_s=PATIENCE_S) == ["a", "b"]


def test_feed_is_silent_about_what_did_not_happen(store: Store) -> None:
    """Transactions that failed, and other collections, are not told."""
    feed = store.change_feed("orders")
    with pytest.raises(RuntimeError), store.transaction() as tx:
        tx.put("orders", order("a"))
        raise RuntimeError
    with store.transaction() as tx:
        note(tx, "n")
    assert feed.take(timeout_s=0) == []


def test_every_feed_is_told(store: Store) -> None:
    """Two that follow the same collection don't take from each other."""
    feeds = [store.change_feed("orders"), store.change_feed("orders")]
    put_orders(store, order("a"))
    assert [feed.take(timeout_s=PATIENCE_S) for feed in feeds] == [["a"], ["a"]]


def test_waiting_feed_wakes_up(make_store: MakeStore) -> None:
    """Who waits in take is woken by a change, long before the time is over."""
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


def test_who_waits_can_be_woken(store: Store) -> None:
    """To see that it is time to end, though nothing changed; also who only then begins to wait."""
    feed = store.change_feed("orders")
    waiter = threading.Thread(target=feed.take, args=(PATIENCE_S,))
    waiter.start()
    feed.wake()
    waiter.join(PATIENCE_S / 2)
    assert not waiter.is_alive()
