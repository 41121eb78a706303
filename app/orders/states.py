"""The legal changes of an order's status, and its history."""

from app.kernel import clock
from app.kernel.errors import Conflict
from app.kernel.order_states import (
    BACKORDERED,
    CANCELLED,
    CONFIRMED,
    DELIVERED,
    FAILED,
    PLACED,
    SHIPPED,
)
from app.store import Document

_LEGAL = {
    PLACED: {CONFIRMED, BACKORDERED, CANCELLED, FAILED},
    BACKORDERED: {CONFIRMED, CANCELLED, FAILED},
    CONFIRMED: {SHIPPED, CANCELLED, BACKORDERED, FAILED},
    SHIPPED: {DELIVERED},
    DELIVERED: set(),
    CANCELLED: set(),
    FAILED: set(),
}
"""Confirmed → backordered: too little may be in stock for a changed order (docs/decisions/0004).
Confirmed or backordered → failed: stock is often reserved before the gateway declines
(docs/decisions/0004)."""

_WAY = (CONFIRMED, SHIPPED, DELIVERED)


def with_status(order: Document, status: str, detail: str, by: str = "") -> Document:
    """The next version of the order, in another state. Raises Conflict for an illegal change."""
    if status not in _LEGAL[order["status"]]:
        raise Conflict(
            f"Order {order['number']} is {order['status']}; it cannot become {status}.",
            order_status=order["status"],
        )
    return with_history(order | {"status": status}, status, detail, by)


def remaining_states(status: str, goal: str) -> tuple[str, ...]:
    """The states that follow `status` up to and including `goal`, a state of a sent order."""
    start = _WAY.index(status) + 1 if status in _WAY else 0
    return _WAY[start : _WAY.index(goal) + 1]


def with_history(order: Document, event: str, detail: str, by: str = "") -> Document:
    """The next version of the order, with one more line of history.

    `by` names who requested the change; "" for one that follows from an event.
    """
    now = clock.now()
    line = {"at": now, "event": event, "detail": detail} | ({"by": by} if by else {})
    return order | {
        "order_update": now,
        "version": order["version"] + 1,
        "history": [*order["history"], line],
    }
