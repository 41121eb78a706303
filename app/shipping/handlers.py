"""The event handler of shipping."""

from app.events.types import Envelope
from app.shipping import service
from app.store import Transaction


def on_order_event(policy: service.ShippingPolicy, tx: Transaction, event: Envelope) -> None:
    """Bring the shipment to what the order says now, whatever the event says."""
    service.reconcile_shipment(tx, event.subject, policy)
