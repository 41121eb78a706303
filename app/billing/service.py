"""The rules of invoices; the only code that changes them.

One invoice for each order: made when the order is placed, adjusted when it changes, voided when it
is cancelled, fails or is deleted. It is set to what the order says now, and what is paid follows:
the whole total, the difference to a larger one, a refund of what is too much. So doing it again
does no harm.
"""

from app.billing import payments
from app.billing.gateway import Answer, Charge, Refund
from app.billing.payments import OPEN, VOID
from app.events.outbox import emit, timeline
from app.events.types import (
    Envelope,
    OrderDeleted,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    snapshot,
)
from app.kernel import clock
from app.kernel.errors import Conflict, NotFound
from app.store import Collection, Document, IssuedNumber, Transaction, View

INVOICES = Collection(
    name="invoices",
    key="order_id",
    issued_numbers=lambda invoice: [
        IssuedNumber("invoice", invoice["order_id"], invoice["invoice_number"]),
        IssuedNumber("order", invoice["order_id"], invoice["order_number"]),
    ],
)

VOIDED = frozenset({"cancelled", "failed"})
SENT = frozenset({"shipped", "delivered"})
COPIED = (
    "customer_name",
    "customer_email",
    "items",
    "currency",
    "total_amount",
    "payment_method",
)


def settle(
    tx: Transaction,
    order_id: str,
    answer: Answer | None = None,
    last_known: Document | None = None,
) -> Charge | Refund | None:
    """Take in the gateway's answer, if any; bring the invoice to what the order says now.

    Returns what the gateway has to be asked next, which stands in the invoice, or None when
    everything is settled. Events tell of an order that is gone as it was `last_known`.
    """
    order = tx.get("orders", order_id) or _as_sold(tx, order_id)
    before = tx.get(INVOICES.name, order_id)
    invoice = _as_ordered(tx, order, before)
    if invoice is None:
        return None
    answered = payments.answered(invoice, answer) if answer else None
    if answered:
        invoice = payments.with_payment(invoice, answered)
    wanted = payments.next_payment(invoice)
    invoice = payments.with_payment(invoice, wanted)
    news = answered or _paid_unasked(before, invoice)
    if news:
        told = (before or {"payments": []})["payments"]
        _tell(tx, order or last_known or _as_invoiced(invoice), invoice, news, again=news in told)
    if invoice != before:
        tx.put(INVOICES.name, invoice)
    return payments.question(invoice, wanted) if wanted else None


def find_payment(view: View, order_id: str) -> Envelope:
    """The event of the last payment or refund of an order.

    Raises NotFound where there never was such an order, Conflict where nothing was paid for it.
    """
    records = list(timeline(view, order_id))
    for record in reversed(records):
        if record["event"]["type"] in (PaymentCaptured.type, PaymentRefunded.type):
            return Envelope.from_cloudevent(record["event"])
    if not records:
        raise NotFound(f"There is no order {order_id[:40]}.")
    raise Conflict("Nothing has been paid for this order yet, so there is no receipt.")


def is_sold(view: View, order_id: str) -> bool:
    """Whether the goods are with the carrier: who deletes the order then gives back nothing."""
    shipment = view.get("shipments", order_id)
    return bool(shipment and shipment["state"] in SENT)


def _as_sold(view: View, order_id: str) -> Document | None:
    """The order as it was deleted after its goods had left: it is to be paid all the same.

    Without this, one that billing hears of too late, as after an outage, would never be paid.
    """
    if not is_sold(view, order_id):
        return None
    told = (record["event"] for record in timeline(view, order_id))
    return next(
        (event["data"]["order"] for event in told if event["type"] == OrderDeleted.type), None
    )


def _as_ordered(
    tx: Transaction, order: Document | None, invoice: Document | None
) -> Document | None:
    """The invoice as the order wants it; None when there is none, and nothing to ask money for."""
    if order is None or order["status"] in VOIDED:
        if invoice is None or invoice["status"] == VOID or is_sold(tx, invoice["order_id"]):
            return invoice
        return _stepped(invoice | {"status": VOID}, "voided")
    if invoice is None:
        return _stepped(_new(tx, order), "made")
    if invoice["status"] == VOID or any(invoice[name] != order[name] for name in COPIED):
        return _stepped(invoice | _copied(order) | {"status": OPEN}, "adjusted")
    return invoice


def _new(tx: Transaction, order: Document) -> Document:
    return {
        "order_id": order["order_id"],
        "invoice_number": tx.next_number("invoice"),
        "order_number": order["number"],
        "status": OPEN,
        **_copied(order),
        "paid": "",
        "payment_status": payments.PENDING,
        "payments": [],
        "history": [],
    }


def _copied(order: Document) -> Document:
    return {name: order[name] for name in COPIED}


def _stepped(invoice: Document, event: str) -> Document:
    step = {"at": clock.now(), "event": event, "total_amount": invoice["total_amount"]}
    return invoice | {"history": [*invoice["history"], step]}


def _paid_unasked(before: Document | None, invoice: Document) -> Document | None:
    """The payment by which the invoice is paid now, though the gateway was not asked; or None.

    That is an order over nothing, or one that a change brought back to what had been paid.
    """
    was = before["payment_status"] if before else payments.PENDING
    if invoice["payment_status"] != payments.PAID or was == payments.PAID:
        return None
    return payments.done(invoice)[-1]


def _as_invoiced(invoice: Document) -> Document:
    """What the invoice knows of an order that is gone."""
    return {
        "order_id": invoice["order_id"],
        "number": invoice["order_number"],
        **{name: invoice[name] for name in COPIED},
    }


def _tell(
    tx: Transaction, order: Document, invoice: Document, payment: Document, *, again: bool
) -> None:
    """Emit what came of a payment; `again` when no money moved this time."""
    data = {
        "order": snapshot(order),
        "payment": payment,
        "paid": invoice["paid"],
        "invoice_number": invoice["invoice_number"],
        "payments": payments.done(invoice),
        "again": again,
    }
    order_id = invoice["order_id"]
    if payment["state"] == payments.DECLINED:
        emit(tx, PaymentFailed(order_id, data | {"reason": payment["reason"]}))
    elif payment["kind"] == payments.CAPTURE:
        emit(tx, PaymentCaptured(order_id, data))
    else:
        emit(tx, PaymentRefunded(order_id, data))
