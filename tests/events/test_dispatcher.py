"""The dispatcher: one leads, another takes over; store trouble neither loses nor doubles."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from app.errors import StorageFull, Unavailable
from app.events.dispatcher import Dispatcher
from app.events.retry import RetryPolicy
from app.events.signals import Signals
from app.events.types import Envelope, OrderUpdated
from app.events.workshop import THREADS
from app.store import Feed, Store, Transaction, View
from app.store.json_store import JsonFileStore
from tests.events.conftest import COLLECTIONS, PATIENCE_S, QUICK, Shop


class TroubledStore:
    """The real store, on a disk that fails when the test says so."""

    def __init__(self, store: JsonFileStore) -> None:
        self._store = store
        self.before: Exception | None = None
        self.after: Exception | None = None
        self.refused = 0

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Raises `before` and changes nothing; or keeps the change, and raises `after` yet."""
        if self.before:
            self.refused += 1
            raise self.before
        with self._store.transaction() as tx:
            yield tx
        if self.after:
            self.refused += 1
            raise self.after

    @contextmanager
    def read(self) -> Iterator[View]:
        with self._store.read() as view:
            yield view

    def follow(self, collection: str) -> Feed:
        return self._store.follow(collection)

    def make_durable(self) -> None:
        self._store.make_durable()

    def lead(self, timeout_s: float) -> bool:
        return self._store.lead(timeout_s)

    def has_leader(self) -> bool:
        return self._store.has_leader()

    def close(self) -> None:
        self._store.close()


@contextmanager
def dispatching(
    store: Store, signals: Signals, policy: RetryPolicy = QUICK
) -> Iterator[Dispatcher]:
    """A running dispatcher, closed whatever happens."""
    dispatcher = Dispatcher(store, signals, policy)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE_S
    tick = threading.Event()
    while not condition():
        assert monotonic() < deadline, "it did not happen in time"
        tick.wait(0.002)


def is_done(shop: Shop, event_id: str) -> bool:
    return set(shop.states(event_id).values()) == {"done"}


def test_events_emitted_before_the_start_and_after_are_delivered(shop: Shop) -> None:
    """It drains what an earlier run left behind, then follows."""
    before = shop.emit("order-1")
    with dispatching(shop.store, shop.signals):
        after = shop.emit("order-2")
        wait_for(lambda: is_done(shop, before) and is_done(shop, after))


def test_it_refuses_to_start_when_a_handler_is_missing(shop: Shop) -> None:
    """Rather than let events pile up for nobody."""
    with pytest.raises(LookupError, match="has no handler"):
        Dispatcher(shop.store, Signals(), QUICK)


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


@pytest.mark.parametrize("trouble", [Unavailable("The lock is held."), StorageFull("No room.")])
def test_what_ran_outside_is_not_repeated_because_recording_it_failed(
    shop: Shop, trouble: Exception
) -> None:
    """The mail is out, the disk is full: once there is room it is recorded, not sent again."""
    store = TroubledStore(shop.store)
    sent = threading.Event()

    def send(_event: Envelope) -> None:
        store.before = trouble
        sent.set()

    shop.notification.act = send
    with dispatching(store, shop.signals):
        event_id = shop.emit()
        assert sent.wait(PATIENCE_S)
        wait_for(lambda: store.refused >= 2)
        assert shop.states(event_id)["notification"] == "pending"
        store.before = None
        wait_for(lambda: is_done(shop, event_id))
    assert shop.notification.seen == [event_id]


def test_what_ran_outside_is_recorded_by_close_when_the_disk_is_back(shop: Shop) -> None:
    """A stop during trouble tries once more, so that the next start need not send again."""
    store = TroubledStore(shop.store)
    release = threading.Event()
    shop.notification.act = lambda _event: release.wait(PATIENCE_S)
    with dispatching(store, shop.signals):
        event_id = shop.emit()
        wait_for(lambda: bool(shop.notification.seen))
        store.before = Unavailable("The lock is held.")
        release.set()
        wait_for(lambda: store.refused >= 1)
        store.before = None
    assert is_done(shop, event_id)


def test_a_failure_told_by_mistake_doubles_nothing(shop: Shop) -> None:
    """After a failed sync the outcome is unknown: what turns out to be kept is not done again."""
    store = TroubledStore(shop.store)
    shop.notification.fail(OSError("first attempt"))
    store.after = Unavailable("The disk failed.")
    with dispatching(store, shop.signals):
        event_id = shop.emit()
        wait_for(lambda: store.refused >= 4)
        store.after = None
        wait_for(lambda: is_done(shop, event_id))
    assert (shop.billing.seen, shop.inventory.seen) == ([event_id], [event_id])
    assert shop.delivery(event_id, "notification")["attempts"] == 2
    assert len(shop.notification.seen) == 2


def test_what_turns_out_to_be_kept_lets_the_next_event_go(shop: Shop) -> None:
    """The lane does not stall behind an outcome that was on record already."""
    store = TroubledStore(shop.store)
    release = threading.Event()
    shop.notification.act = lambda _event: release.wait(PATIENCE_S)
    with dispatching(store, shop.signals):
        first, second = shop.emit("order-1"), shop.emit("order-1", OrderUpdated)
        wait_for(lambda: bool(shop.notification.seen))
        wait_for(lambda: shop.state(second, "billing") == "done")
        store.after = Unavailable("The disk failed.")
        release.set()
        wait_for(lambda: store.refused >= 1)
        store.after = None
        wait_for(lambda: is_done(shop, first) and is_done(shop, second))
    assert shop.notification.seen == [first, second]


def test_trouble_with_the_store_is_no_fault_of_the_handlers(shop: Shop) -> None:
    """A full disk uses up no attempts and puts nothing into failure.json."""
    store = TroubledStore(shop.store)
    store.before = StorageFull("No room.")
    with dispatching(store, shop.signals):
        event_id = shop.emit()
        wait_for(lambda: store.refused >= 4)
        store.before = None
        wait_for(lambda: is_done(shop, event_id))
    assert shop.failures() == []
    assert shop.delivery(event_id, "billing")["attempts"] == 1


def test_trouble_is_logged_once_while_it_lasts(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk must not be filled further by the log."""
    store = TroubledStore(shop.store)
    store.before = StorageFull("No room.")
    with dispatching(store, shop.signals), caplog.at_level(logging.WARNING):
        shop.emit()
        wait_for(lambda: store.refused >= 3)
    assert caplog.text.count("deliveries are held up: StorageFull: No room.") == 1


def test_a_defect_does_not_end_the_deliveries(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """The thread goes on after whatever happens, and says what did, without addresses."""
    store = TroubledStore(shop.store)
    store.before = ZeroDivisionError("for ann@example.com")
    with dispatching(store, shop.signals):
        event_id = shop.emit()
        wait_for(lambda: store.refused >= 1)
        store.before = None
        wait_for(lambda: is_done(shop, event_id))
    assert "deliveries met a defect: ZeroDivisionError: for ***@example.com" in caplog.text


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
