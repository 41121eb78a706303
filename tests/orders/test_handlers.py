"""What becomes of an order when inventory has spoken, in time or too late."""

import pytest
from flask import Flask

from app.events.types import Envelope
from app.money import Currency
from app.orders import states
from app.orders.handlers import on_backordered, on_reserved
from app.orders.service import Rules, cancel_order, change_order, find_order, place_order
from app.store import Document, Transaction

pytestmark = pytest.mark.usefixtures("catalogue")
RULES = Rules(Currency("EUR"))


@pytest.fixture
def placed(app: Flask) -> Document:
    """An order of two teas; no handler is running."""
    with app.extensions["daybook"].transaction() as tx:
        request = {"customer_name": "Ann", "items": [{"product": "tea", "quantity": 2}]}
        return place_order(tx, RULES, request)


def reserved(order: Document) -> Envelope:
    """Inventory reserved every line of this version of the order."""
    return _envelope("inventory.reserved", order, {})


def backordered(order: Document, *may_wait: bool) -> Envelope:
    """Some lines of this version are short; each says whether it may be back-ordered."""
    short = [
        {"product": f"sku-{n}", "wanted": 2, "available": 1, "backorder": backorder}
        for n, backorder in enumerate(may_wait)
    ]
    return _envelope("inventory.backordered", order, {"short": short})


def status(tx: Transaction, order: Document) -> str:
    return str(find_order(tx, order["order_id"])["status"])


def test_a_reserved_order_is_confirmed(app: Flask, placed: Document) -> None:
    """Every line is held for it."""
    with app.extensions["daybook"].transaction() as tx:
        on_reserved(tx, reserved(placed))
        assert status(tx, placed) == states.CONFIRMED


def test_an_answer_that_comes_twice_changes_nothing(app: Flask, placed: Document) -> None:
    """The second one is about a version that the order has left."""
    with app.extensions["daybook"].transaction() as tx:
        on_reserved(tx, reserved(placed))
        before = find_order(tx, placed["order_id"])
        on_reserved(tx, reserved(placed))
        on_backordered(tx, backordered(placed, False))
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
    with app.extensions["daybook"].transaction() as tx:
        on_backordered(tx, backordered(placed, *may_wait))
        assert status(tx, placed) == becomes


def test_a_confirmed_order_that_a_change_makes_short_is_cancelled(
    app: Flask, placed: Document
) -> None:
    """It was a sound order once, so it has not failed."""
    with app.extensions["daybook"].transaction() as tx:
        on_reserved(tx, reserved(placed))
        patch = {"items": [{"product": "tea", "quantity": 3}]}
        changed = change_order(tx, RULES, placed["order_id"], patch)
        on_backordered(tx, backordered(changed, False))
        assert status(tx, placed) == states.CANCELLED


def test_an_answer_about_an_older_version_is_not_heard(app: Flask, placed: Document) -> None:
    """The order was changed since: what counts is the answer that is on its way."""
    with app.extensions["daybook"].transaction() as tx:
        patch = {"items": [{"product": "tea", "quantity": 1}]}
        changed = change_order(tx, RULES, placed["order_id"], patch)
        on_backordered(tx, backordered(placed, False))
        on_reserved(tx, reserved(placed))
        assert status(tx, placed) == states.PLACED
        on_reserved(tx, reserved(changed))
        assert status(tx, placed) == states.CONFIRMED


def test_an_answer_about_an_order_that_ended_is_not_heard(app: Flask, placed: Document) -> None:
    """A cancelled order is not revived, a deleted one is not missed."""
    with app.extensions["daybook"].transaction() as tx:
        cancelled = cancel_order(tx, placed["order_id"])
        on_reserved(tx, reserved(cancelled))
        on_backordered(tx, backordered(cancelled, True))
        assert status(tx, placed) == states.CANCELLED
        on_reserved(tx, reserved(placed | {"order_id": "gone"}))


def _envelope(event_type: str, order: Document, data: Document) -> Envelope:
    seen = {"number": order["number"], "version": order["version"]}
    moment = "2026-11-21T08:00:00.000Z"
    return Envelope("id", "/inventory", event_type, moment, order["order_id"], seen | data)
