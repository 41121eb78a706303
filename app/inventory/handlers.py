"""The event handlers of inventory."""

from app.events.types import Envelope
from app.inventory import reservations
from app.inventory.documents import PRODUCTS
from app.store import Transaction


def on_order_event(tx: Transaction, event: Envelope) -> None:
    """Reserve the lines that the order has now, whatever the event says."""
    reservations.reconcile_reservation(tx, event.subject)


def on_stock_freed(tx: Transaction, event: Envelope) -> None:
    """Continue to serve the orders that wait for the product."""
    if tx.get(PRODUCTS.name, event.subject):
        reservations.allocate_to_backorders(tx, event.subject, event.data["after"])


def on_fulfilled(tx: Transaction, event: Envelope) -> None:
    """Deduct the shipped goods, once however often the event comes. Raises Conflict."""
    reservations.deduct_shipment(tx, event.subject, event.data["shipment"])
