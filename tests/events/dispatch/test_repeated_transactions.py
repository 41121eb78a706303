"""The delivery loop on a store that repeats each transaction: all counts as if each ran once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.events.failures import FAILURES
from app.events.faults import FAULTS
from app.events.outbox import DONE, emit
from app.events.registry import TransactionalHandler
from app.events.types import Envelope, InventoryReserved, OrderPlaced, OrderUpdated
from app.kernel.errors import Unavailable
from app.store import Transaction
from tests.events.conftest import COLLECTIONS, Shop
from tests.repeating import RepeatingStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RepeatingStore]:
    """A real store that undoes the first run of each transaction."""
    store = RepeatingStore(tmp_path / "data", COLLECTIONS)
    yield store
    store.close()


def test_each_delivery_is_made_once(shop: Shop) -> None:
    """In the order of the events; a mail is sent once."""
    events = {
        order: [shop.emit(order), shop.emit(order, OrderUpdated)]
        for order in ("order-1", "order-2", "order-3")
    }
    shop.deliver_all()
    for own in events.values():
        assert [each for each in shop.notification.seen if each in own] == own
        assert [shop.delivery(each, "billing")["attempts"] for each in own] == [1, 1]


def test_each_failure_is_counted_once(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """A delivery has all its attempts, and is given up once."""
    shop.billing.fail_always(OSError("no"))
    event_id = shop.emit()
    shop.deliver(lambda: shop.count(FAILURES) == 1)
    assert shop.delivery(event_id, "billing")["attempts"] == 3
    assert caplog.text.count("billing gave up on") == 1


def test_each_outage_counts_once_for_the_breaker(shop: Shop) -> None:
    """Four outages do not open it, so each is an attempt."""
    shop.billing.fail_always(Unavailable("down"))
    events = [shop.emit(f"order-{n}") for n in range(4)]
    shop.start_loop().run_once()
    assert [shop.delivery(each, "billing")["attempts"] for each in events] == [1] * 4


def test_an_event_emitted_by_an_undone_run_is_forgotten(shop: Shop) -> None:
    """Only the one that was kept is delivered, in the same iteration."""

    def reserve(tx: Transaction, event: Envelope) -> None:
        emit(tx, InventoryReserved(event.subject, event.data))

    shop.registry.connect(TransactionalHandler("inventory", reserve), OrderPlaced)
    shop.emit()
    loop, before = shop.start_loop(), shop.store.position()
    loop.run_once()
    assert shop.store.position() == before + 1
    _undone, kept = shop.orders.seen
    assert shop.state(kept, "orders") == DONE
    shop.deliver_all()
    assert len(shop.effects()) == len(set(shop.effects()))


def test_a_slow_handler_is_delayed_once(shop: Shop) -> None:
    """The delay that is over is not begun again by the second run."""
    switch = {"handler": "billing", "mode": "slow", "times": None, "delay_s": 1, "order": None}
    shop.store.run_in_transaction(lambda tx: tx.put(FAULTS.name, switch))
    event_id = shop.emit()
    shop.start_loop(with_faults=True)
    shop.deliver_to("billing", event_id)
    assert shop.delivery(event_id, "billing")["attempts"] == 1
