"""Read access to invoices and payments for the other services and the pages."""

from dataclasses import replace
from decimal import Decimal

from app.billing.documents import INVOICES
from app.events.outbox import timeline
from app.events.types import Envelope, PaymentCaptured, PaymentRefunded
from app.kernel.errors import Conflict, NotFound
from app.orders.queries import get_order, present_address
from app.store import Document, View


def get_invoice(view: View, order_id: str) -> Document | None:
    """The invoice of the order, or None."""
    return view.get(INVOICES.name, order_id)


def is_paid_in_full(view: View, order: Document) -> bool:
    """Whether the payments cover the order's present total."""
    invoice = get_invoice(view, order["order_id"])
    return invoice is not None and Decimal(invoice["paid"]) >= Decimal(order["total_amount"])


def find_payment_event(view: View, order_id: str) -> Envelope:
    """The event of the order's last capture or refund, from which a receipt is made.

    Its order has the present shipping address besides.
    Raises NotFound when there never was such an order, Conflict when nothing has been paid for it.
    """
    records = list(timeline(view, order_id))
    for record in reversed(records):
        if record["event"]["type"] in (PaymentCaptured.type, PaymentRefunded.type):
            event = Envelope.from_cloudevent(record["event"])
            order = event.data["order"] | present_address(view, order_id)
            return replace(event, data=event.data | {"order": order})
    if not records and get_order(view, order_id) is None:
        raise NotFound(f"There is no order {order_id[:40]}.")
    raise Conflict("Nothing has been paid for this order yet, so there is no receipt.")
