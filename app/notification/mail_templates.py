"""Which letter tells of an event, to whom; and when there is nothing to tell.

A customer hears of each thing once, and of nothing that another letter tells better. The names of
the letters are those of the templates, and of DAYBOOK_MAILS.
"""

from app.events.registry import Skipped
from app.events.types import (
    Envelope,
    InventoryBackordered,
    InventoryReserved,
    OrderCancelled,
    OrderDeleted,
    OrderDelivered,
    OrderFulfilled,
    OrderPlaced,
    OrderUpdated,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductLowStock,
    ProductLowStockDigest,
)
from app.kernel.order_states import OPEN
from app.store import Document

LETTERS = {
    OrderPlaced.type: "placed",
    OrderUpdated.type: "changed",
    OrderCancelled.type: "cancelled",
    OrderDeleted.type: "deleted",
    InventoryReserved.type: "confirmed",
    InventoryBackordered.type: "backordered",
    PaymentCaptured.type: "receipt",
    PaymentFailed.type: "declined",
    PaymentRefunded.type: "refunded",
    OrderFulfilled.type: "shipped",
    OrderDelivered.type: "delivered",
    ProductLowStock.type: "low_stock",
    ProductLowStockDigest.type: "low_stock_digest",
}
"""For each event its letter; `available` is the one that an order gets that had to wait."""

FOR_MANAGER = frozenset({"low_stock", "low_stock_digest"})


def letter_about(event: Envelope) -> str:
    """The name of the letter. Raises Skipped when another letter tells it, or nobody would care."""
    letter = LETTERS[event.type]
    order: Document = event.data.get("order", {})
    if letter == "confirmed" and order["status"] != "placed":
        if order["status"] == "confirmed":
            raise Skipped("no mail: the order had been confirmed before")
        letter = "available"
    if letter == "backordered" and not all(line["backorder"] for line in event.data["short"]):
        raise Skipped("no mail: the order cannot wait; the mail about its end says why")
    if letter == "cancelled" and order["status"] == order["payment_status"] == "failed":
        raise Skipped("no mail: the one about the declined payment tells it")
    if letter == "deleted" and order["status"] not in OPEN:
        raise Skipped(f"no mail: the order was {order['status']} when it was deleted")
    return letter


def recipient_of(letter: str, event: Envelope, manager: str | None) -> str:
    """The address. Raises Skipped when there is none."""
    if letter in FOR_MANAGER:
        if not manager:
            raise Skipped("no mail: DAYBOOK_MANAGER_EMAIL is not set")
        return manager
    address: str | None = event.data["order"]["customer_email"]
    if not address:
        raise Skipped("no mail: the order has no e-mail address")
    return address
