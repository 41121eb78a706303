"""Deliveries of events about which, by the event alone, a handler has nothing to do."""

import pytest

from app.events.dispatch.delivery import Delivery
from app.events.dispatch.observer import Observer
from app.events.dispatch.outcome import Outcome
from app.events.outbox import DEAD, DONE, OUTBOX
from app.events.registry import SideEffectHandler
from app.events.types import Envelope, InventoryReserved, OrderPlaced
from tests.events.conftest import Shop

REASON = "no mail about this event"


def skip_reserved(event: Envelope) -> str:
    """Nothing is to be done about inventory.reserved."""
    return REASON if event.type == InventoryReserved.type else ""


@pytest.fixture(autouse=True)
def _skipping(shop: Shop) -> None:
    handler = SideEffectHandler("notification", shop.notification.run, skips=skip_reserved)
    shop.registry.connect(handler, OrderPlaced, InventoryReserved)


def test_it_waits_for_no_earlier_delivery_of_its_order(shop: Shop) -> None:
    """Nothing is left of the event in the outbox while the mail about the first one is dead."""
    shop.notification.fail(ValueError("no such address"))
    placed = shop.emit()
    shop.deliver_all()
    reserved = shop.emit(event=InventoryReserved)
    shop.deliver(lambda: shop.count(OUTBOX) == 1)
    assert shop.state(placed, "notification") == DEAD
    assert shop.delivery(reserved, "notification")["note"] == REASON
    assert shop.notification.seen == [placed]


def test_it_is_one_attempt_that_ended_well(shop: Shop) -> None:
    """The record and the observer say so, as of every delivery."""
    attempts: list[tuple[str, int, Outcome]] = []

    class Recorder(Observer):
        def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
            attempts.append((delivery.partition.handler, delivery.attempt, outcome))

    shop.observer = Recorder()
    reserved = shop.emit(event=InventoryReserved)
    shop.deliver_all()
    delivery = shop.delivery(reserved, "notification")
    assert (delivery["state"], delivery["attempts"]) == (DONE, 1)
    assert ("notification", 1, Outcome(DONE, note=REASON)) in attempts
    assert len(attempts) == len(InventoryReserved.handled_by)


def test_an_event_that_is_not_skipped_waits_its_turn(shop: Shop) -> None:
    """The handler gets the events of an order in their order."""
    first, second = shop.emit(), shop.emit()
    shop.deliver_all()
    assert shop.notification.seen == [first, second]
