"""Errors of the store delay deliveries; they neither lose nor repeat one."""

import logging
import threading
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager

import pytest

from app.events.types import Envelope, OrderUpdated
from app.kernel.errors import StorageFull, Unavailable
from app.store import ChangeFeed, Contents, T, Transaction, View
from app.store.files.store import JsonFileStore
from tests.conftest import PATIENCE_S
from tests.events.conftest import Shop
from tests.events.running import dispatching, is_done, wait_for


class TroubledStore:
    """The real store, on a disk that fails when the test says so."""

    def __init__(self, store: JsonFileStore) -> None:
        self._store = store
        self.before: Exception | None = None
        self.after: Exception | None = None
        self.unsynced: Exception | None = None
        self.refused = 0
        self.has_lost_lease = False

    def run_in_transaction(self, work: Callable[[Transaction], T], *, in_turn: bool = False) -> T:
        """Raise `before` and change nothing, or keep the change and raise `after`."""
        if self.before:
            self.refused += 1
            raise self.before
        result = self._store.run_in_transaction(work, in_turn=in_turn)
        if self.after:
            self.refused += 1
            raise self.after
        return result

    @contextmanager
    def read(self) -> Iterator[View]:
        with self._store.read() as view:
            yield view

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        with self._store.contents() as contents:
            yield contents

    def change_feed(self, *collections: str) -> ChangeFeed:
        return self._store.change_feed(*collections)

    def position(self) -> int:
        return self._store.position()

    def id_horizon(self) -> str:
        return self._store.id_horizon()

    def make_durable(self) -> None:
        if self.unsynced:
            self.refused += 1
            raise self.unsynced
        self._store.make_durable()

    def refuse_unwritable(self) -> None:
        self._store.refuse_unwritable()

    def lease_shards(
        self, busy: Set[int] = frozenset(), *, timeout_s: float = 0.0
    ) -> frozenset[int]:
        if self.has_lost_lease:
            self.refused += 1
            return frozenset()
        return self._store.lease_shards(busy, timeout_s=timeout_s)

    def are_shards_leased(self) -> bool:
        return self._store.are_shards_leased()

    def standby_lags(self) -> list[int]:
        return self._store.standby_lags()

    def close(self) -> None:
        self._store.close()


@pytest.mark.parametrize("trouble", [Unavailable("The lock is held."), StorageFull("No room.")])
def test_a_side_effect_is_not_repeated_because_recording_it_failed(
    shop: Shop, trouble: Exception
) -> None:
    """A mail sent while the disk is full is recorded once there is room, not sent again."""
    store = TroubledStore(shop.store)
    sent = threading.Event()

    def send(_event: Envelope) -> None:
        store.before = trouble
        sent.set()

    shop.notification.act = send
    with dispatching(store, shop.registry):
        event_id = shop.emit()
        assert sent.wait(PATIENCE_S)
        wait_for(lambda: store.refused >= 2)
        assert shop.states(event_id)["notification"] == "pending"
        store.before = None
        wait_for(lambda: is_done(shop, event_id))
    assert shop.notification.seen == [event_id]


def test_a_side_effect_waits_until_its_cause_is_durable(shop: Shop) -> None:
    """No mail is sent about an order that a power cut could still undo."""
    store = TroubledStore(shop.store)
    store.unsynced = Unavailable("The disk failed.")
    with dispatching(store, shop.registry):
        event_id = shop.emit()
        wait_for(lambda: store.refused >= 1)
        assert shop.notification.seen == []
        store.unsynced = None
        wait_for(lambda: is_done(shop, event_id))


def test_a_transaction_ends_where_the_lease_does(shop: Shop) -> None:
    """It runs nothing more, and is undone: another process delivers these events by then."""
    store = TroubledStore(shop.store)
    first, second = shop.emit("order-1"), shop.emit("order-2")

    def lose_lease(_event: Envelope) -> None:
        store.has_lost_lease = len(shop.billing.seen) == 1

    shop.billing.act = lose_lease
    with dispatching(store, shop.registry):
        wait_for(lambda: store.refused >= 2)
        assert len(shop.billing.seen) == 1
        assert {shop.state(each, "billing") for each in (first, second)} == {"pending"}
        store.has_lost_lease = False
        wait_for(lambda: is_done(shop, first) and is_done(shop, second))


def test_close_records_side_effects_when_the_disk_is_back(shop: Shop) -> None:
    """A stop tries once more, so that the next start does not send again."""
    store = TroubledStore(shop.store)
    release = threading.Event()
    shop.notification.act = lambda _event: release.wait(PATIENCE_S)
    with dispatching(store, shop.registry):
        event_id = shop.emit()
        wait_for(lambda: bool(shop.notification.seen))
        store.before = Unavailable("The lock is held.")
        release.set()
        wait_for(lambda: store.refused >= 1)
        store.before = None
    assert is_done(shop, event_id)


def test_an_outcome_kept_by_a_failed_transaction_counts_once(shop: Shop) -> None:
    """A transaction that raised may be durable; its outcomes are not recorded again."""
    store = TroubledStore(shop.store)

    def send(_event: Envelope) -> None:
        store.after = Unavailable("The disk failed.")

    shop.notification.act = send
    shop.notification.fail(OSError("first attempt"))
    with dispatching(store, shop.registry):
        event_id = shop.emit()
        wait_for(lambda: store.refused >= 2)
        shop.notification.act = lambda _event: None
        store.after = None
        wait_for(lambda: is_done(shop, event_id))
    delivery = shop.delivery(event_id, "notification")
    assert (delivery["attempts"], len(delivery["log"])) == (2, 1)
    assert len(shop.notification.seen) == 2
    assert (shop.billing.seen, shop.inventory.seen) == ([event_id], [event_id])


def test_an_outcome_kept_by_a_failed_transaction_releases_its_partition(shop: Shop) -> None:
    """The next event of the order is delivered."""
    store = TroubledStore(shop.store)
    release = threading.Event()
    shop.notification.act = lambda _event: release.wait(PATIENCE_S)
    with dispatching(store, shop.registry):
        first, second = shop.emit("order-1"), shop.emit("order-1", OrderUpdated)
        wait_for(lambda: bool(shop.notification.seen))
        wait_for(lambda: shop.state(second, "billing") == "done")
        store.after = Unavailable("The disk failed.")
        release.set()
        wait_for(lambda: store.refused >= 1)
        store.after = None
        wait_for(lambda: is_done(shop, first) and is_done(shop, second))
    assert shop.notification.seen == [first, second]


def test_an_error_of_the_store_is_not_an_error_of_the_handler(shop: Shop) -> None:
    """A full disk uses up no attempts and puts nothing into failure.json."""
    store = TroubledStore(shop.store)
    store.before = StorageFull("No room.")
    with dispatching(store, shop.registry):
        event_id = shop.emit()
        wait_for(lambda: store.refused >= 4)
        store.before = None
        wait_for(lambda: is_done(shop, event_id))
    assert shop.failures() == []
    assert shop.delivery(event_id, "billing")["attempts"] == 1


def test_an_error_is_logged_once_while_it_lasts(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """The log does not fill a full disk further."""
    store = TroubledStore(shop.store)
    store.before = StorageFull("No room.")
    with dispatching(store, shop.registry), caplog.at_level(logging.WARNING):
        shop.emit()
        wait_for(lambda: store.refused >= 3)
    assert caplog.text.count("deliveries are held up: StorageFull: No room.") == 1


def test_a_defect_does_not_stop_the_deliveries(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread survives every error, and logs it without addresses."""
    store = TroubledStore(shop.store)
    store.before = ZeroDivisionError("for ann@example.com")
    with dispatching(store, shop.registry):
        event_id = shop.emit()
        wait_for(lambda: store.refused >= 1)
        store.before = None
        wait_for(lambda: is_done(shop, event_id))
    assert "deliveries met a defect: ZeroDivisionError: for ***@example.com" in caplog.text
