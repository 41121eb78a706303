"""Events that a handler emits: how soon they are delivered, and how often they are written."""

from time import monotonic

from app.events.dispatch.inbox import MAX_READ_PER_ITERATION
from app.events.dispatch.loop import BATCH_MAX_OPEN_S
from app.events.dispatch.scheduling.ready_queue import MAX_DELIVERIES_PER_TAKE
from app.events.outbox import DONE, emit
from app.events.registry import TransactionalHandler
from app.events.types import Envelope, InventoryReserved, OrderCancelled, OrderPlaced
from app.store import Transaction
from tests.events.conftest import Shop


def reserve_slowly(tx: Transaction, event: Envelope) -> None:
    """Emit inventory.reserved, after all the time that a transaction takes in deliveries."""
    ready_at = monotonic() + BATCH_MAX_OPEN_S
    while monotonic() < ready_at:
        pass
    emit(tx, InventoryReserved(event.subject, event.data))


def test_an_emitted_event_is_delivered_in_the_transaction_that_emits_it(shop: Shop) -> None:
    """Also when its time is up: one line of the journal has the event and the outcomes."""
    shop.registry.connect(TransactionalHandler("inventory", reserve_slowly), OrderPlaced)
    shop.emit()
    loop, before = shop.start_loop(), shop.store.position()
    loop.run_once()
    assert shop.store.position() == before + 1
    [reserved] = shop.orders.seen
    assert shop.state(reserved, "orders") == shop.state(reserved, "shipping") == DONE


def test_a_transaction_whose_time_is_up_takes_in_no_other_events(shop: Shop) -> None:
    """They wait for the next one, so that a POST hardly waits for the commit lock."""
    shop.registry.connect(TransactionalHandler("inventory", reserve_slowly), OrderPlaced)
    for n in range(MAX_DELIVERIES_PER_TAKE + 1):
        shop.emit(f"order-{n}")
    shop.start_loop().run_once()
    assert len(shop.orders.seen) == MAX_DELIVERIES_PER_TAKE
    assert len(shop.billing.seen) == MAX_DELIVERIES_PER_TAKE


def test_an_emitted_event_is_not_delivered_before_an_unread_one(shop: Shop) -> None:
    """The cancellation of a burst, which the loop has yet to read, is first in its partition."""
    shop.registry.connect(TransactionalHandler("inventory", reserve_slowly), OrderPlaced)
    shop.emit()
    loop = shop.start_loop()
    for n in range(MAX_READ_PER_ITERATION):
        shop.emit(f"burst-{n}")
    cancelled = shop.emit(event=OrderCancelled)
    loop.run_once()
    assert shop.shipping.seen[0] == cancelled
