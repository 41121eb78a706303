"""Which handler hears of which event."""

import pytest

from app.events.registry import (
    HandlerRegistry,
    RequestReplyHandler,
    SideEffectHandler,
    TransactionalHandler,
)
from app.events.types import EVENT_TYPES, Envelope, OrderPlaced
from app.store import Transaction
from tests.events.conftest import Shop


def nothing(_tx: Transaction, _event: Envelope) -> None:
    return None


def test_each_connected_handler_is_found_by_its_name() -> None:
    """The outbox names handlers; the signals know them."""
    signals = HandlerRegistry()
    billing, mail = (
        TransactionalHandler("billing", nothing),
        SideEffectHandler("notification", lambda _event: None),
    )
    signals.connect(billing, OrderPlaced)
    signals.connect(mail, OrderPlaced)
    assert signals.handlers("order.placed") == {"billing": billing, "notification": mail}
    assert signals.handler("order.placed", "billing") is billing


def test_handlers_stay_connected_when_nobody_else_holds_them() -> None:
    """blinker holds connections weakly unless told otherwise; ours would be gone at once."""
    signals = HandlerRegistry()
    signals.connect(TransactionalHandler("billing", nothing), OrderPlaced)
    assert list(signals.handlers("order.placed")) == ["billing"]


def test_a_missing_handler_is_refused_at_the_start() -> None:
    """An event that names a handler must find it, or events would pile up for nobody."""
    signals = HandlerRegistry()
    for event in EVENT_TYPES:
        for name in set(event.handled_by) - {"billing"}:
            signals.connect(TransactionalHandler(name, nothing), event)
    with pytest.raises(LookupError, match=r"order\.placed has no handler billing"):
        signals.refuse_gaps()


def test_all_handlers_of_the_test_shop_are_connected(shop: Shop) -> None:
    shop.signals.refuse_gaps()


@pytest.mark.parametrize("event_type", ["order.placed", "order.of_a_later_version"])
def test_a_handler_that_is_gone_says_so(shop: Shop, event_type: str) -> None:
    """An outbox of another version may name handlers and events that this one does not have."""
    event = Envelope("id", "/orders", event_type, "2026-11-21T08:00:00.000Z", "order-1", {})
    handler = shop.signals.handler(event_type, "fortune-telling")
    with shop.store.transaction() as tx, pytest.raises(LookupError, match="not connected"):
        handler(event, tx)


def test_handler_inside_refuses_to_work_without_a_transaction(shop: Shop) -> None:
    """What it does would else be no part of the delivery's record."""
    event = OrderPlaced("order-1", {"order": {"number": 1001}})
    envelope = Envelope("e-1", event.source, event.type, "", event.subject, event.data)
    with pytest.raises(TypeError, match="works inside a transaction"):
        TransactionalHandler("inventory", nothing)(envelope)
    with pytest.raises(TypeError, match="asked by the dispatcher"):
        RequestReplyHandler("billing", lambda _tx, _event, _answer: None, lambda _question: None)(
            envelope
        )
