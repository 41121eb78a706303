"""What orders do when inventory or shipping has spoken."""

from app.events.types import Envelope
from app.orders import service, states
from app.store import Document, Transaction


def on_reserved(tx: Transaction, event: Envelope) -> None:
    """Confirm the order, unless it was changed since (then another answer is on its way)."""
    order = _as_seen(tx, event)
    if order and order["status"] in (states.PLACED, states.BACKORDERED):
        service.confirm_order(tx, order)


def on_backordered(tx: Transaction, event: Envelope) -> None:
    """Have the order wait when every short product may be back-ordered; else end it."""
    order = _as_seen(tx, event)
    if order is None or order["status"] not in states.OPEN:
        return
    short = event.data["short"]
    detail = ", ".join(
        f"{line['product']}: {line['wanted']} wanted, {line['available']} available"
        for line in short
    )
    if not all(line["backorder"] for line in short):
        service.fail_order(tx, order, f"not in stock ({detail})")
    elif order["status"] != states.BACKORDERED:
        service.backorder_order(tx, order, detail)


def on_shipment_event(tx: Transaction, event: Envelope) -> None:
    """Bring the order to where its shipment is."""
    service.follow_shipment(tx, event.subject)


def _as_seen(tx: Transaction, event: Envelope) -> Document | None:
    """The order, if it still is at the version that inventory looked at, and here."""
    order = tx.get(service.ORDERS.name, event.subject)
    if order is None or order["version"] != event.data["version"]:
        return None
    return None if service.has_left(tx, order) else order
