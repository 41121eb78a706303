"""What becomes of an order when inventory has spoken, in time or too late."""

from typing import Any

import pytest
from flask import Flask

from app.events.types import Envelope
from app.kernel.money import Currency
from app.orders import states
from app.orders.handlers import on_inventory_event
from app.orders.service import Rules, cancel_order, change_order, find_order, place_order
from app.store import Document, Transaction

pytestmark = pytest.mark.usefixtures("catalogue")
RULES = Rules(Currency("EUR"))


@pytest.fixture
def placed(app: Flask) -> Document:
    """An order of two teas; no handler is running."""
    with app.extensions["daybook"].store.transaction() as tx:
        request = {"customer_name": "Ann", "items": [{"product": "tea", "quantity": 2}]}
        return place_order(tx, RULES, request)


def reserve(tx: Transaction, order: Document) -> None:
    """Inventory holds every line of the order as given, and says so."""
    _speak(tx, order, "inventory.reserved", lines=_lines(order))


def fall_short(tx: Transaction, order: Document, *may_wait: bool) -> None:
    """Some products of the order as given are short; each may be back-ordered or not."""
    short = [
        {"product": f"sku-{n}", "wanted": 2, "available": 1, "backorder": backorder}
        for n, backorder in enumerate(may_wait)
    ]
    _speak(tx, order, "inventory.backordered", lines=[], wanted=_lines(order), short=short)


def status(tx: Transaction, order: Document) -> str:
    return str(find_order(tx, order["order_id"])["status"])


def test_a_reserved_order_is_confirmed(app: Flask, placed: Document) -> None:
    """Every line is held for it."""
    with app.extensions["daybook"].store.transaction() as tx:
        reserve(tx, placed)
        assert status(tx, placed) == states.CONFIRMED


def test_an_answer_that_comes_twice_changes_nothing(app: Flask, placed: Document) -> None:
    """The status is set to what is held; it is that already."""
    with app.extensions["daybook"].store.transaction() as tx:
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
def test_a_short_order_waits_only_if_all_its_short_products_may(
    app: Flask, placed: Document, may_wait: tuple[bool, ...], becomes: str
) -> None:
    """One product without back-order is enough to end it."""
    with app.extensions["daybook"].store.transaction() as tx:
        fall_short(tx, placed, *may_wait)
        assert status(tx, placed) == becomes


def test_an_order_is_served_before_it_heard_that_it_has_to_wait(
    app: Flask, placed: Document
) -> None:
    """Stock came between the two answers: what counts is what is held now, by the first one too."""
    with app.extensions["daybook"].store.transaction() as tx:
        _hold(tx, placed, lines=_lines(placed))
        on_inventory_event(tx, _envelope("inventory.backordered", placed))
        on_inventory_event(tx, _envelope("inventory.reserved", placed))
        assert status(tx, placed) == states.CONFIRMED


def test_a_confirmed_order_that_a_change_makes_short_is_cancelled(
    app: Flask, placed: Document
) -> None:
    """It was a sound order once, so it has not failed."""
    with app.extensions["daybook"].store.transaction() as tx:
        reserve(tx, placed)
        patch = {"items": [{"product": "tea", "quantity": 3}]}
        changed = change_order(tx, RULES, placed["order_id"], patch)
        fall_short(tx, changed, False)
        assert status(tx, placed) == states.CANCELLED


def test_an_answer_about_other_lines_is_not_heard(app: Flask, placed: Document) -> None:
    """The order was changed since: what counts is the answer that is on its way."""
    with app.extensions["daybook"].store.transaction() as tx:
        patch = {"items": [{"product": "tea", "quantity": 1}]}
        changed = change_order(tx, RULES, placed["order_id"], patch)
        fall_short(tx, placed, False)
        reserve(tx, placed)
        assert status(tx, placed) == states.PLACED
        reserve(tx, changed)
        assert status(tx, placed) == states.CONFIRMED


def test_an_answer_about_an_order_that_ended_is_not_heard(app: Flask, placed: Document) -> None:
    """A cancelled order is not revived, a deleted one is not missed."""
    with app.extensions["daybook"].store.transaction() as tx:
        cancelled = cancel_order(tx, placed["order_id"])
        reserve(tx, cancelled)
        fall_short(tx, cancelled, True)
        assert status(tx, placed) == states.CANCELLED
        reserve(tx, placed | {"order_id": "gone"})


def _speak(tx: Transaction, order: Document, event_type: str, **fields: Any) -> None:
    _hold(tx, order, **fields)
    on_inventory_event(tx, _envelope(event_type, order))


def _hold(tx: Transaction, order: Document, **fields: Any) -> None:
    tx.put("reservations", {"order_id": order["order_id"], "version": order["version"]} | fields)


def _lines(order: Document) -> list[Document]:
    return [{name: line[name] for name in ("product", "quantity")} for line in order["items"]]


def _envelope(event_type: str, order: Document) -> Envelope:
    seen = {"number": order["number"], "version": order["version"]}
    moment = "2026-11-21T08:00:00.000Z"
    return Envelope("id", "/inventory", event_type, moment, order["order_id"], seen)
