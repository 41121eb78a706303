"""Which state of an order may follow which, and the history of its changes."""

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
"""Confirmed → backordered: a changed order may find the shelf short (docs/decisions/0004).
Both → failed: stock is often reserved before the gateway declines (docs/decisions/0015)."""


def moved(order: Document, status: str, detail: str, by: str = "") -> Document:
    """The order in its new state, as its next version. Raises Conflict for an illegal step."""
    refuse_illegal(order, status)
    return stepped(order | {"status": status}, status, detail, by)


def steps(status: str, goal: str) -> tuple[str, ...]:
    """What is left of the way from `status` to `goal`: confirmed, shipped, delivered."""
    way = (CONFIRMED, SHIPPED, DELIVERED)
    done = way.index(status) + 1 if status in way else 0
    return way[done : way.index(goal) + 1]


def refuse_illegal(order: Document, status: str) -> None:
    """Raise Conflict when the order cannot go to `status` from where it is."""
    if status not in _LEGAL[order["status"]]:
        raise Conflict(
            f"Order {order['number']} is {order['status']}; it cannot become {status}.",
            order_status=order["status"],
        )


def stepped(order: Document, event: str, detail: str, by: str = "") -> Document:
    """The order as its next version, with a line of history.

    `by` is who did it; "" for what follows by itself.
    """
    now = clock.now()
    step = {"at": now, "event": event, "detail": detail} | ({"by": by} if by else {})
    return order | {
        "order_update": now,
        "version": order["version"] + 1,
        "history": [*order["history"], step],
    }
