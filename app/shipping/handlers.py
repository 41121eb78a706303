"""What shipping does when an order is reserved, short, paid, changed, cancelled or deleted."""

from app.events.types import Envelope
from app.shipping import service
from app.store import Transaction


def on_order_event(rules: service.Rules, tx: Transaction, event: Envelope) -> None:
    """Bring the shipment to what the order says now, whatever the event said."""
    service.reconcile(tx, event.subject, rules)
