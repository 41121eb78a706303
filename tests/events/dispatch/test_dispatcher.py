"""The dispatcher: one leads, another takes over, and a stop leaves nothing half done."""

import threading
from pathlib import Path
from time import monotonic

import pytest

from app.events.dispatch.dispatcher import Dispatcher
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.worker_pool import THREADS
from app.events.registry import HandlerRegistry
from app.store.files.store import JsonFileStore
from tests.events.conftest import COLLECTIONS, EFFECTS, PATIENCE_S, QUICK, Shop
from tests.events.running import dispatching, is_done, wait_for


def test_events_emitted_before_the_start_and_after_are_delivered(shop: Shop) -> None:
    """It drains what an earlier run left behind, then follows."""
    before = shop.emit("order-1")
    with dispatching(shop.store, shop.signals):
        after = shop.emit("order-2")
        wait_for(lambda: is_done(shop, before) and is_done(shop, after))


def test_it_refuses_to_start_when_a_handler_is_missing(shop: Shop) -> None:
    """Rather than let events pile up for nobody."""
    with pytest.raises(LookupError, match="has no handler"):
        Dispatcher(shop.store, HandlerRegistry(), QUICK)


def test_closing_one_that_never_started_is_harmless(shop: Shop) -> None:
    Dispatcher(shop.store, shop.signals, QUICK).close()


def test_only_one_of_two_processes_delivers(shop: Shop, tmp_path: Path) -> None:
    """Each event reaches each handler once, however many dispatchers run."""
    other = JsonFileStore(tmp_path / "data", COLLECTIONS)
    with dispatching(shop.store, shop.signals), dispatching(other, shop.signals):
        events = [shop.emit(f"order-{n}") for n in range(30)]
        wait_for(lambda: all(is_done(shop, event_id) for event_id in events))
    other.close()
    assert sorted(shop.billing.seen) == events


def test_another_takes_over_when_the_leader_goes(shop: Shop, tmp_path: Path) -> None:
    """Within a second, and with everything that is still open."""
    other = JsonFileStore(tmp_path / "data", COLLECTIONS)
    shop.billing.fail_always(OSError("down"), "order-1")
    with dispatching(shop.store, shop.signals, RetryPolicy(100, first_wait_s=0.05)):
        wait_for(other.has_leader)
        left_behind = shop.emit("order-1")
        wait_for(lambda: len(shop.billing.seen) >= 1)
    shop.billing.recover()
    with dispatching(other, shop.signals):
        shop.store.close()
        began = monotonic()
        shop.store = other
        wait_for(lambda: is_done(shop, left_behind))
        assert monotonic() - began < 1
    other.close()


def test_closing_finishes_what_runs_and_keeps_the_rest(shop: Shop) -> None:
    """A stop waits for the mail that is being sent, and leaves the backlog to the next start."""
    release, events = threading.Event(), [shop.emit(f"order-{n}") for n in range(40)]
    shop.notification.act = lambda _event: release.wait(PATIENCE_S)
    with dispatching(shop.store, shop.signals):
        try:
            wait_for(lambda: len(shop.notification.seen) >= THREADS)
        finally:
            threading.Timer(0.05, release.set).start()
    sent = list(shop.notification.seen)
    assert {event_id for event_id in events if is_done(shop, event_id)} == set(sent)
    shop.deliver_all()
    assert sorted(shop.notification.seen) == events


def test_deliveries_go_on_while_writers_never_rest(shop: Shop) -> None:
    """They give way to requests, but never for good."""
    events, enough = [shop.emit(f"order-{n}") for n in range(3)], threading.Event()

    def write_on() -> None:
        while not enough.is_set():
            with shop.store.transaction() as tx:
                tx.put(EFFECTS.name, {"id": threading.current_thread().name, "order": ""})

    writers = [threading.Thread(target=write_on) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        with dispatching(shop.store, shop.signals):
            wait_for(lambda: all(is_done(shop, event_id) for event_id in events))
    finally:
        enough.set()
        for writer in writers:
            writer.join()
