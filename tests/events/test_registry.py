"""The handler registry: which handler receives which event type."""

import pytest

from app.events.registry import HandlerRegistry, SideEffectHandler, TransactionalHandler
from app.events.types import EVENT_TYPES, Envelope, InventoryReserved, OrderPlaced
from app.store import Transaction
from tests.events.conftest import Shop
from tests.transactions import transaction


def nothing(_tx: Transaction, _event: Envelope) -> None:
    return None


def test_each_connected_handler_is_found_by_its_name() -> None:
    """The outbox has the names of handlers, the registry the handlers."""
    registry = HandlerRegistry()
    billing, mail = (
        TransactionalHandler("billing", nothing),
        SideEffectHandler("notification", lambda _event: None),
    )
    registry.connect(billing, OrderPlaced)
    registry.connect(mail, OrderPlaced)
    assert registry.handlers(OrderPlaced) == {"billing": billing, "notification": mail}
    assert registry.handler("order.placed", "billing") is billing


def test_a_handler_replaces_one_with_the_same_name() -> None:
    """Otherwise chance would decide which of the two receives an event."""
    registry = HandlerRegistry()
    first, second = (
        TransactionalHandler("billing", nothing),
        TransactionalHandler("billing", nothing),
    )
    registry.connect(first, OrderPlaced, InventoryReserved)
    registry.connect(second, OrderPlaced)
    assert registry.handler("order.placed", "billing") is second
    assert registry.handler("inventory.reserved", "billing") is first


def test_the_registry_keeps_handlers_alive() -> None:
    """blinker's default is a weak reference, which would be gone at once."""
    registry = HandlerRegistry()
    registry.connect(TransactionalHandler("billing", nothing), OrderPlaced)
    assert list(registry.handlers(OrderPlaced)) == ["billing"]


def test_a_missing_handler_is_refused_at_the_start() -> None:
    """Otherwise events for that handler would pile up."""
    registry = HandlerRegistry()
    for event in EVENT_TYPES:
        for name in set(event.handled_by) - {"billing"}:
            registry.connect(TransactionalHandler(name, nothing), event)
    with pytest.raises(LookupError, match=r"order\.placed has no handler billing"):
        registry.check_complete()


def test_all_handlers_of_the_test_shop_are_connected(shop: Shop) -> None:
    shop.registry.check_complete()


@pytest.mark.parametrize("event_type", ["order.placed", "order.of_a_later_version"])
def test_a_handler_that_is_not_connected_raises(shop: Shop, event_type: str) -> None:
    """An outbox of another version may name handlers and events that are unknown here."""
    event = Envelope("id", "/orders", event_type, "2026-11-21T08:00:00.000Z", "order-1", {})
    handler = shop.registry.handler(event_type, "fortune-telling")
    assert isinstance(handler, TransactionalHandler)
    with transaction(shop.store) as tx, pytest.raises(LookupError, match="not connected"):
        handler.run(tx, event)
