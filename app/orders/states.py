"""The legal changes of an order's status, and its history."""

from app.kernel import clock
from app.kernel import order_states as states
from app.kernel.errors import Conflict
from app.kernel.versions import details_version
from app.orders.documents import HISTORY
from app.store import Document, Transaction

_LEGAL = {
    states.PLACED: {states.CONFIRMED, states.BACKORDERED, states.CANCELLED, states.FAILED},
    states.BACKORDERED: {states.CONFIRMED, states.CANCELLED, states.FAILED},
    states.CONFIRMED: {states.SHIPPED, states.CANCELLED, states.BACKORDERED, states.FAILED},
    states.SHIPPED: {states.DELIVERED},
    states.DELIVERED: set(),
    states.CANCELLED: set(),
    states.FAILED: set(),
}
"""Confirmed → backordered: too little may be in stock for a changed order (docs/decisions/0004).
Confirmed or backordered → failed: stock is often reserved before the gateway declines
(docs/decisions/0004)."""

_WAY = (states.CONFIRMED, states.SHIPPED, states.DELIVERED)


def with_status(
    tx: Transaction, order: Document, status: str, detail: str, by: str = ""
) -> Document:
    """The next version of the order, in another state. Raises Conflict for an illegal change."""
    if status not in _LEGAL[order["status"]]:
        raise Conflict(
            f"Order {order['number']} is {order['status']}; it cannot become {status}.",
            order_status=order["status"],
        )
    return with_history(tx, order | {"status": status}, status, detail, by)


def remaining_states(status: str, goal: str) -> tuple[str, ...]:
    """The states that follow `status` up to and including `goal`, a state of a sent order."""
    start = _WAY.index(status) + 1 if status in _WAY else 0
    return _WAY[start : _WAY.index(goal) + 1]


def with_history(
    tx: Transaction, order: Document, event: str, detail: str, by: str = ""
) -> Document:
    """The next version of the order, with one more line of history; the caller stores it.

    `by` names who requested the change; "" for one that follows from an event.
    """
    now = clock.now()
    line = {"at": now, "event": event, "detail": detail} | ({"by": by} if by else {})
    versions = {"version": order["version"] + 1, "details_version": details_version(order)}
    return HISTORY.append(tx, order | {"order_update": now} | versions, line)
