"""The event handlers of orders. Each reads the other service's document, not the event's data, so a
repeated, late or replayed event does no harm.
"""

from app.events.types import Envelope
from app.orders import service
from app.store import Transaction


def on_inventory_event(tx: Transaction, event: Envelope) -> None:
    """Set the status by the reservation."""
    service.apply_reservation(tx, event.subject)


def on_payment(tx: Transaction, event: Envelope) -> None:
    """Set the payment status by the invoice."""
    service.apply_invoice(tx, event.subject)


def on_shipment_event(tx: Transaction, event: Envelope) -> None:
    """Set the status by the shipment."""
    service.apply_shipment(tx, event.subject)
