"""Selects the mail template for an event, and the recipient; or raises Skipped with the reason.

A customer gets one mail about one change, so events that another mail covers are skipped. The names
of the templates are those that DAYBOOK_MAILS lists.
"""

from app.events import types
from app.events.registry import Skipped
from app.events.types import Envelope
from app.store import Document

TEMPLATES = {
    types.OrderPlaced.type: "placed",
    types.OrderUpdated.type: "changed",
    types.OrderCancelled.type: "cancelled",
    types.OrderDeleted.type: "deleted",
    types.InventoryReserved.type: "confirmed",
    types.InventoryBackordered.type: "backordered",
    types.PaymentCaptured.type: "receipt",
    types.PaymentFailed.type: "declined",
    types.PaymentRefunded.type: "refunded",
    types.OrderFulfilled.type: "shipped",
    types.OrderDelivered.type: "delivered",
    types.ProductLowStock.type: "low_stock",
    types.ProductLowStockDigest.type: "low_stock_digest",
    types.WebhookDisabled.type: "webhook_disabled",
}
"""The mail template of each event type; `available` is that of an order that had to wait."""

_FOR_MANAGER = frozenset({"low_stock", "low_stock_digest", "webhook_disabled"})
_ENDED = frozenset({"cancelled", "failed", "shipped", "delivered"})


def template_for(event: Envelope) -> str:
    """Return the mail template for an event. Raises Skipped when no mail is to be sent about it."""
    template = TEMPLATES[event.type]
    order: Document = event.data.get("order", {})
    if template == "confirmed":
        # an event of an older version has the order as it was before
        was = event.data.get("was", order["status"])
        if was == "confirmed":
            raise Skipped("no mail: the order had been confirmed before")
        template = "available" if was == "backordered" else template
    if template == "backordered" and not all(line["backorder"] for line in event.data["short"]):
        raise Skipped("no mail: the order cannot wait; the mail about its end says why")
    if template == "cancelled" and order["status"] == order["payment_status"] == "failed":
        raise Skipped("no mail: the mail about the declined payment says so")
    if template == "deleted" and order["status"] in _ENDED:
        raise Skipped(f"no mail: the order was {order['status']} when it was deleted")
    return template


def recipient_of(template: str, event: Envelope, manager: str | None) -> str:
    """Return the recipient's address. Raises Skipped when there is none."""
    if template in _FOR_MANAGER:
        if not manager:
            raise Skipped("no mail: DAYBOOK_MANAGER_EMAIL is not set")
        return manager
    address: str | None = event.data["order"]["customer_email"]
    if not address:
        raise Skipped("no mail: the order has no e-mail address")
    return address
