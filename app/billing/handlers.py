"""What billing does when an order is placed, changed, cancelled or deleted."""

from app.billing import service
from app.events.types import Envelope
from app.store import Transaction


def on_order_event(tx: Transaction, event: Envelope) -> None:
    """Bring the invoice to what the order says now, whatever the event said."""
    service.reconcile(tx, event.subject)
