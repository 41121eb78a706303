"""What orders do when inventory, billing or shipping has spoken."""

from app.events.types import Envelope
from app.kernel import order_states
from app.kernel.quantities import quantities
from app.orders import service
from app.store import Document, Transaction


def on_inventory_event(tx: Transaction, event: Envelope) -> None:
    """Bring the status to what the reservation says now, whatever the event said.

    The order is confirmed when every line is held; it waits when every short product may be
    back-ordered; else it ends. An order that was changed since inventory looked at it is left
    alone: another answer is on its way.
    """
    order = tx.get(service.ORDERS.name, event.subject)
    reservation = tx.get("reservations", event.subject)
    if order is None or order["status"] not in order_states.OPEN or service.has_left(tx, order):
        return
    if reservation is None or not _is_about(reservation, order):
        return
    short = reservation.get("short", [])
    if not short:
        if order["status"] != order_states.CONFIRMED:
            service.confirm_order(tx, order)
    elif not all(line["backorder"] for line in short):
        service.fail_order(tx, order, f"not in stock ({_told(short)})")
    elif order["status"] != order_states.BACKORDERED:
        service.backorder_order(tx, order, _told(short))


def on_payment(tx: Transaction, event: Envelope) -> None:
    """Bring the payment status to what billing's invoice says now, whatever the event said."""
    service.check_payment(tx, event.subject)


def on_shipment_event(tx: Transaction, event: Envelope) -> None:
    """Bring the order to where its shipment is."""
    service.follow_shipment(tx, event.subject)


def _is_about(reservation: Document, order: Document) -> bool:
    """Whether inventory looked at the lines that the order has now."""
    seen = reservation["wanted"] if "wanted" in reservation else reservation["lines"]
    return quantities(seen) == quantities(order["items"])


def _told(short: list[Document]) -> str:
    return ", ".join(
        f"{line['product']}: {line['wanted']} wanted, {line['available']} available"
        for line in short
    )
