"""What inventory does when something happens to an order, or stock is left for those who wait."""

from app.events.types import Envelope
from app.inventory import service
from app.store import Transaction


def on_order_event(tx: Transaction, event: Envelope) -> None:
    """Hold what the order wants now, whatever the event said."""
    service.reconcile(tx, event.subject)


def on_stock_freed(tx: Transaction, event: Envelope) -> None:
    """Go on serving the orders that wait for the product."""
    if tx.get(service.PRODUCTS.name, event.subject):
        service.serve_waiting(tx, event.subject, event.data["after"])


def on_fulfilled(tx: Transaction, event: Envelope) -> None:
    """Take what has left off the shelf; once, however often the event comes. Raises Conflict."""
    service.take_shipped(tx, event.subject, event.data["shipment"])
