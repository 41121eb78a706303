"""The dispatcher: one process leads, another takes over, and a stop loses no delivery."""

import threading
from pathlib import Path

import pytest

from app.events.dispatch.dispatcher import Dispatcher
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.worker_pool import THREADS_PER_HANDLER
from app.events.registry import HandlerRegistry
from app.store.files.store import JsonFileStore
from tests.conftest import PATIENCE_S
from tests.events.conftest import COLLECTIONS, EFFECTS, QUICK, Shop
from tests.events.running import dispatching, is_done, wait_for
from tests.transactions import transaction


def test_events_emitted_before_the_start_and_after_are_delivered(shop: Shop) -> None:
    """It delivers what an earlier run left in the outbox, then new events."""
    before = shop.emit("order-1")
    with dispatching(shop.store, shop.registry):
        after = shop.emit("order-2")
        wait_for(lambda: is_done(shop, before) and is_done(shop, after))


def test_it_refuses_to_start_when_a_handler_is_missing(shop: Shop) -> None:
    """Otherwise events for the missing handler would pile up."""
    with pytest.raises(LookupError, match="has no handler"):
        Dispatcher(shop.store, HandlerRegistry(), QUICK)


def test_closing_one_that_never_started_is_harmless(shop: Shop) -> None:
    Dispatcher(shop.store, shop.registry, QUICK).close()


def test_only_one_of_two_processes_delivers(shop: Shop, tmp_path: Path) -> None:
    """Each event reaches each handler once, although two dispatchers run."""
    other = JsonFileStore(tmp_path / "data", COLLECTIONS)
    with dispatching(shop.store, shop.registry), dispatching(other, shop.registry):
        events = [shop.emit(f"order-{n}") for n in range(30)]
        wait_for(lambda: all(is_done(shop, event_id) for event_id in events))
    other.close()
    assert sorted(shop.billing.seen) == events


def test_another_process_takes_over_when_the_leader_stops(shop: Shop, tmp_path: Path) -> None:
    """It delivers what the leader had left open."""
    other = JsonFileStore(tmp_path / "data", COLLECTIONS)
    shop.billing.fail_always(OSError("down"), "order-1")
    with dispatching(shop.store, shop.registry, RetryPolicy(100, first_wait_s=0.05)):
        wait_for(other.are_shards_leased)
        left_behind = shop.emit("order-1")
        wait_for(lambda: len(shop.billing.seen) >= 1)
    shop.billing.recover()
    with dispatching(other, shop.registry):
        shop.store.close()
        shop.store = other
        wait_for(lambda: is_done(shop, left_behind))
    other.close()


def test_close_finishes_what_runs_and_keeps_the_rest(shop: Shop) -> None:
    """It waits for mails that are being sent; the backlog stays for the next start."""
    release, events = threading.Event(), [shop.emit(f"order-{n}") for n in range(40)]
    shop.notification.act = lambda _event: release.wait(PATIENCE_S)
    with dispatching(shop.store, shop.registry):
        try:
            wait_for(lambda: len(shop.notification.seen) >= THREADS_PER_HANDLER)
        finally:
            threading.Timer(0.05, release.set).start()
    sent = list(shop.notification.seen)
    assert {event_id for event_id in events if is_done(shop, event_id)} == set(sent)
    shop.deliver_all()
    assert sorted(shop.notification.seen) == events


def test_deliveries_go_on_while_writers_never_pause(shop: Shop) -> None:
    """Back-pressure slows deliveries down, but never stops them."""
    events, enough = [shop.emit(f"order-{n}") for n in range(3)], threading.Event()

    def write_on() -> None:
        while not enough.is_set():
            with transaction(shop.store) as tx:
                tx.put(EFFECTS.name, {"id": threading.current_thread().name, "order": ""})

    writers = [threading.Thread(target=write_on) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        with dispatching(shop.store, shop.registry):
            wait_for(lambda: all(is_done(shop, event_id) for event_id in events))
    finally:
        enough.set()
        for writer in writers:
            writer.join()
