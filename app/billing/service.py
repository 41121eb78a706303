"""The rules of invoices: the only code that changes invoice documents.

Each order has one invoice, made when the order is placed, adjusted when it changes, and voided when
it is cancelled, fails or is deleted. The invoice is set to what the order says now, and payments
follow: the total, the difference to a larger total, a refund of what is too much. A repeated, late
or replayed event therefore does no harm.
"""

from app.billing import payments
from app.billing.documents import HISTORY, INVOICES
from app.billing.gateway import Charge, Refund, Response
from app.billing.payments import OPEN, VOID
from app.events.outbox import emit, timeline
from app.events.types import (
    OrderDeleted,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    order_data,
)
from app.kernel import clock
from app.kernel.order_states import VOIDED
from app.kernel.personal_data import Erase
from app.orders import queries as orders
from app.shipping.queries import has_left
from app.store import Document, Transaction, View

COPIED_FIELDS = (
    "customer_name",
    "customer_email",
    "items",
    "currency",
    "total_amount",
    "payment_method",
)
"""The fields that an invoice copies from its order."""


def reconcile_invoice(
    tx: Transaction,
    order_id: str,
    response: Response | None = None,
    last_known: Document | None = None,
) -> Charge | Refund | None:
    """Record the gateway's response, if any, and bring the invoice to what the order says now.

    Returns the next request for the gateway, which is recorded in the invoice, or None when nothing
    is due. Emits payment.captured, payment.refunded or payment.failed; for a deleted order the
    event has the order as it was `last_known`.
    """
    order = orders.get_order(tx, order_id) or _deleted_after_shipping(tx, order_id)
    before = tx.get(INVOICES.name, order_id)
    invoice = _invoice_for(tx, order, before)
    if invoice is None:
        return None
    answered = payments.with_response(invoice, response) if response else None
    if answered:
        invoice = payments.with_payment(invoice, answered)
    due = payments.next_payment(invoice)
    invoice = payments.with_payment(invoice, due)
    settled = answered or _paid_without_gateway(before, invoice)
    if settled:
        is_repeated = before is not None and settled in before["payments"]
        order = order or last_known or _order_from_invoice(invoice)
        _emit_payment_event(tx, order, invoice, settled, again=is_repeated)
    if invoice != before:
        tx.put(INVOICES.name, invoice)
    return payments.gateway_request(invoice, due) if due else None


def erase_customer(tx: Transaction, order_id: str, erase: Erase) -> None:
    """Erase the customer from the order's invoice; number, dates, lines and payments stay."""
    if invoice := tx.get(INVOICES.name, order_id):
        tx.put(INVOICES.name, erase(invoice))


def _deleted_after_shipping(view: View, order_id: str) -> Document | None:
    """The order as it was deleted, if its goods had left: it has to be paid all the same.

    Without this, an order deleted before billing handled it, as after an outage, would never be
    paid.
    """
    if not has_left(view, order_id):
        return None
    for record in timeline(view, order_id):
        if record["event"]["type"] == OrderDeleted.type:
            order: Document = record["event"]["data"]["order"]
            return order
    return None


def _invoice_for(
    tx: Transaction, order: Document | None, invoice: Document | None
) -> Document | None:
    """The invoice, made, adjusted or voided for the order; None when nothing was to be paid."""
    if order is None or order["status"] in VOIDED:
        if invoice is None or invoice["status"] == VOID or has_left(tx, invoice["order_id"]):
            return invoice
        return _with_history(tx, invoice | {"status": VOID}, "voided")
    if invoice is None:
        return _with_history(tx, _new_invoice(tx, order), "made")
    if invoice["status"] == VOID or any(invoice[name] != order[name] for name in COPIED_FIELDS):
        return _with_history(tx, invoice | _order_fields(order) | {"status": OPEN}, "adjusted")
    return invoice


def _new_invoice(tx: Transaction, order: Document) -> Document:
    return {
        "order_id": order["order_id"],
        "invoice_number": tx.next_number("invoice"),
        "order_number": order["number"],
        "status": OPEN,
        **_order_fields(order),
        "paid": "",
        "payment_status": payments.PENDING,
        "payments": [],
        "history": [],
    }


def _order_fields(document: Document) -> Document:
    return {name: document[name] for name in COPIED_FIELDS}


def _with_history(tx: Transaction, invoice: Document, event: str) -> Document:
    line = {"at": clock.now(), "event": event, "total_amount": invoice["total_amount"]}
    return HISTORY.append(tx, invoice, line)


def _paid_without_gateway(before: Document | None, invoice: Document) -> Document | None:
    """The last payment, when the invoice has become paid without a request to the gateway.

    This is an order with a total of zero, or one that a change brought back to the paid amount.
    """
    was = before["payment_status"] if before else payments.PENDING
    if invoice["payment_status"] != payments.PAID or was == payments.PAID:
        return None
    return payments.completed(invoice)[-1]


def _order_from_invoice(invoice: Document) -> Document:
    """The fields of a deleted order that its invoice has."""
    order_id, number = invoice["order_id"], invoice["order_number"]
    return {"order_id": order_id, "number": number, **_order_fields(invoice)}


def _emit_payment_event(
    tx: Transaction, order: Document, invoice: Document, payment: Document, *, again: bool
) -> None:
    """Emit the outcome of a payment; `again` when no money moved this time."""
    data = {
        "order": order_data(order, payment_status=invoice["payment_status"]),
        "payment": payment,
        "paid": invoice["paid"],
        "invoice_number": invoice["invoice_number"],
        "payments": payments.completed(invoice),
        "again": again,
    }
    order_id = invoice["order_id"]
    if payment["state"] == payments.DECLINED:
        emit(tx, PaymentFailed(order_id, data | {"reason": payment["reason"]}))
    elif payment["kind"] == payments.CAPTURE:
        emit(tx, PaymentCaptured(order_id, data))
    else:
        emit(tx, PaymentRefunded(order_id, data))
