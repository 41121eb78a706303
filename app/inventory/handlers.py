"""What inventory does when an order is placed, changed, cancelled or deleted."""

from app.events.types import Envelope
from app.inventory import service
from app.store import Transaction


def on_order_event(tx: Transaction, event: Envelope) -> None:
    """Hold what the order wants now, whatever the event said."""
    service.reconcile(tx, event.subject)
