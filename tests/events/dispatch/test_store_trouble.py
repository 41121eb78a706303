"""Trouble with the store holds deliveries up; it loses none, and doubles none."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.events.types import Envelope, OrderUpdated
from app.kernel.errors import StorageFull, Unavailable
from app.store import ChangeFeed, Transaction, View
from app.store.files.store import JsonFileStore
from tests.events.conftest import PATIENCE_S, Shop
from tests.events.running import dispatching, is_done, wait_for


class TroubledStore:
    """The real store, on a disk that fails when the test says so."""

    def __init__(self, store: JsonFileStore) -> None:
        self._store = store
        self.before: Exception | None = None
        self.after: Exception | None = None
        self.unsynced: Exception | None = None
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

    def change_feed(self, collection: str) -> ChangeFeed:
        return self._store.change_feed(collection)

    def position(self) -> int:
        return self._store.position()

    def make_durable(self) -> None:
        if self.unsynced:
            self.refused += 1
            raise self.unsynced
        self._store.make_durable()

    def refuse_unwritable(self) -> None:
        self._store.refuse_unwritable()

    def lead(self, timeout_s: float) -> bool:
        return self._store.lead(timeout_s)

    def has_leader(self) -> bool:
        return self._store.has_leader()

    def close(self) -> None:
        self._store.close()


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


def test_nothing_goes_out_before_its_cause_is_on_disk(shop: Shop) -> None:
    """A mail about an order that a power cut could still undo would be a lie."""
    store = TroubledStore(shop.store)
    store.unsynced = Unavailable("The disk failed.")
    with dispatching(store, shop.signals):
        event_id = shop.emit()
        wait_for(lambda: store.refused >= 1)
        assert shop.notification.seen == []
        store.unsynced = None
        wait_for(lambda: is_done(shop, event_id))


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


def test_an_outcome_that_was_kept_though_the_store_failed_counts_once(shop: Shop) -> None:
    """After a failed sync nobody knows what was kept; what was is not put on record again."""
    store = TroubledStore(shop.store)

    def send(_event: Envelope) -> None:
        store.after = Unavailable("The disk failed.")

    shop.notification.act = send
    shop.notification.fail(OSError("first attempt"))
    with dispatching(store, shop.signals):
        event_id = shop.emit()
        wait_for(lambda: store.refused >= 2)
        shop.notification.act = lambda _event: None
        store.after = None
        wait_for(lambda: is_done(shop, event_id))
    delivery = shop.delivery(event_id, "notification")
    assert (delivery["attempts"], len(delivery["log"])) == (2, 1)
    assert len(shop.notification.seen) == 2
    assert (shop.billing.seen, shop.inventory.seen) == ([event_id], [event_id])


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
