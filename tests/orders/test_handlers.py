"""The handlers of orders, for events that are repeated, late or out of order."""

from typing import Any

import pytest
from flask import Flask

from app.events.types import Envelope
from app.kernel import order_states as states
from app.kernel.money import Currency
from app.orders.handlers import on_inventory_event
from app.orders.queries import find_order
from app.orders.service import OrderPolicy, cancel_order, change_order, place_order
from app.store import Document, Transaction
from tests.transactions import transaction

pytestmark = pytest.mark.usefixtures("catalogue")
POLICY = OrderPolicy(Currency("EUR"))


@pytest.fixture
def placed(app: Flask) -> Document:
    """An order of two teas, with no handler running."""
    with transaction(app.extensions["daybook"].store) as tx:
        request = {"customer_name": "Ann", "items": [{"product": "tea", "quantity": 2}]}
        return place_order(tx, POLICY, request)


def reserve(tx: Transaction, order: Document) -> None:
    """Reserve every line of the given version of the order, and handle the event."""
    _handle(tx, order, "inventory.reserved", lines=_lines(order))


def backorder(tx: Transaction, order: Document, *may_wait: bool) -> None:
    """Record a shortage for the given version of the order, and handle the event."""
    short = [
        {"product": f"sku-{n}", "wanted": 2, "available": 1, "backorder": backorder}
        for n, backorder in enumerate(may_wait)
    ]
    _handle(tx, order, "inventory.backordered", lines=[], wanted=_lines(order), short=short)


def status(tx: Transaction, order: Document) -> str:
    """The order's present status."""
    return str(find_order(tx, order["order_id"])["status"])


def test_a_reserved_order_is_confirmed(app: Flask, placed: Document) -> None:
    """An order whose lines are all reserved becomes confirmed."""
    with transaction(app.extensions["daybook"].store) as tx:
        reserve(tx, placed)
        assert status(tx, placed) == states.CONFIRMED


def test_a_repeated_event_changes_nothing(app: Flask, placed: Document) -> None:
    """A second inventory.reserved leaves the order as it is."""
    with transaction(app.extensions["daybook"].store) as tx:
        reserve(tx, placed)
        before = find_order(tx, placed["order_id"])
        reserve(tx, placed)
        assert find_order(tx, placed["order_id"]) == before


@pytest.mark.parametrize(
    ("may_wait", "becomes"),
    [
        ((True,), states.BACKORDERED),
        ((True, True), states.BACKORDERED),
        ((True, False), states.FAILED),
    ],
)
def test_a_short_order_waits_if_all_short_products_can_be_backordered(
    app: Flask, placed: Document, may_wait: tuple[bool, ...], becomes: str
) -> None:
    """One short product without back-orders is enough to end the order."""
    with transaction(app.extensions["daybook"].store) as tx:
        backorder(tx, placed, *may_wait)
        assert status(tx, placed) == becomes


def test_a_late_shortage_does_not_undo_a_reservation(app: Flask, placed: Document) -> None:
    """The reservation decides, not the event: an old inventory.backordered leaves a reserved order
    confirmed.
    """
    with transaction(app.extensions["daybook"].store) as tx:
        _put_reservation(tx, placed, lines=_lines(placed))
        on_inventory_event(tx, _envelope("inventory.backordered", placed))
        on_inventory_event(tx, _envelope("inventory.reserved", placed))
        assert status(tx, placed) == states.CONFIRMED


def test_a_confirmed_order_whose_change_is_short_is_cancelled(app: Flask, placed: Document) -> None:
    """An order that was confirmed before is cancelled for lack of stock, rather than failed."""
    with transaction(app.extensions["daybook"].store) as tx:
        reserve(tx, placed)
        patch = {"items": [{"product": "tea", "quantity": 3}]}
        changed = change_order(tx, POLICY, placed["order_id"], patch)
        backorder(tx, changed, False)
        assert status(tx, placed) == states.CANCELLED


def test_an_event_about_earlier_lines_is_ignored(app: Flask, placed: Document) -> None:
    """An event about an earlier version of the lines changes nothing; the one about the present
    lines does.
    """
    with transaction(app.extensions["daybook"].store) as tx:
        patch = {"items": [{"product": "tea", "quantity": 1}]}
        changed = change_order(tx, POLICY, placed["order_id"], patch)
        backorder(tx, placed, False)
        reserve(tx, placed)
        assert status(tx, placed) == states.PLACED
        reserve(tx, changed)
        assert status(tx, placed) == states.CONFIRMED


def test_an_event_about_an_ended_order_is_ignored(app: Flask, placed: Document) -> None:
    """An event neither reopens a cancelled order nor fails for a deleted one."""
    with transaction(app.extensions["daybook"].store) as tx:
        cancelled = cancel_order(tx, placed["order_id"])
        reserve(tx, cancelled)
        backorder(tx, cancelled, True)
        assert status(tx, placed) == states.CANCELLED
        reserve(tx, placed | {"order_id": "gone"})


def _handle(tx: Transaction, order: Document, event_type: str, **fields: Any) -> None:
    """Store the reservation and handle its event."""
    _put_reservation(tx, order, **fields)
    on_inventory_event(tx, _envelope(event_type, order))


def _put_reservation(tx: Transaction, order: Document, **fields: Any) -> None:
    """Store a reservation of the order's version."""
    tx.put("reservations", {"order_id": order["order_id"], "version": order["version"]} | fields)


def _lines(order: Document) -> list[Document]:
    return [{name: line[name] for name in ("product", "quantity")} for line in order["items"]]


def _envelope(event_type: str, order: Document) -> Envelope:
    seen = {"number": order["number"], "version": order["version"]}
    moment = "2026-11-21T08:00:00.000Z"
    return Envelope("id", "/inventory", event_type, moment, order["order_id"], seen)
