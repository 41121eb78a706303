"""The payments of an invoice: its sums, its payment status, and the next payment to request.

Pure functions over an invoice document. A payment is {payment_id, kind, amount, state, at}; a
capture also has its method, a refund the capture that it gives back (`of`), and an answered payment
the gateway's reference, or the reason of a decline.

    asked ──approved──▶ done
      └─────declined──▶ declined

A payment is recorded as asked before the gateway gets it, and repeated under the same payment_id
until a response is recorded. At most one payment of an invoice is open, so nothing is charged
twice, and nothing is charged without a record.
"""

from decimal import Decimal

from app.billing.gateway import Charge, Refund, Response
from app.kernel import clock
from app.kernel.money import Currency
from app.kernel.payment_methods import INVOICE
from app.store import Document

CAPTURE, REFUND = "capture", "refund"
ASKED, DONE, DECLINED = "asked", "done", "declined"
PENDING, PAID, FAILED, REFUNDED = "pending", "paid", "failed", "refunded"
OPEN, VOID = "open", "void"


def amount_paid(invoice: Document) -> str:
    """The captured amount less the refunds, as text."""
    total = sum((_signed(each) for each in completed(invoice)), Decimal())
    return Currency(invoice["currency"]).format(total)


def amount_due(invoice: Document) -> Decimal:
    """The amount still due; negative for an amount to refund."""
    total = Decimal(invoice["total_amount"]) if invoice["status"] == OPEN else Decimal()
    return total - Decimal(amount_paid(invoice))


def payment_status(invoice: Document) -> str:
    """The payment status of the invoice's order.

    It stays `paid` while a difference is being captured or is left to be paid by invoice. It is
    `failed` while the last response was a decline and an amount is due.
    """
    answered = [each for each in invoice["payments"] if each["state"] != ASKED]
    if not answered:
        return PENDING
    if amount_due(invoice) == 0 and invoice["status"] == OPEN:
        return PAID
    if answered[-1]["state"] == DECLINED:
        return FAILED
    is_refunded = answered[-1]["kind"] == REFUND and Decimal(amount_paid(invoice)) == 0
    return REFUNDED if is_refunded else PAID


def next_payment(invoice: Document) -> Document | None:
    """The payment to request now: the open one, a new one, or None.

    A declined payment is not requested again until its amount or method has changed. A total of
    zero gets a payment of zero that is done at once, without the gateway.
    """
    last = invoice["payments"][-1] if invoice["payments"] else None
    if last and last["state"] == ASKED:
        return dict(last)
    due = amount_due(invoice)
    if due < 0:
        return _refund(invoice, -due)
    if invoice["status"] != OPEN or (due == 0 and last):
        return None
    if due and invoice["payment_method"] == INVOICE:
        return None
    capture = _new(invoice, CAPTURE, due, method=invoice["payment_method"])
    if not due:
        return capture | {"state": DONE}
    if last and last["state"] == DECLINED and _is_same(last, capture):
        return None
    return capture


def gateway_request(invoice: Document, payment: Document) -> Charge | Refund | None:
    """The gateway's request for a payment, always the same one; None when the payment is done."""
    if payment["state"] != ASKED:
        return None
    key, amount, currency = payment["payment_id"], payment["amount"], invoice["currency"]
    if payment["kind"] == CAPTURE:
        return Charge(key, amount, currency, payment["method"])
    (of,) = (each for each in invoice["payments"] if _is(each, payment["of"]))
    return Refund(key, amount, currency, of["reference"])


def with_payment(invoice: Document, payment: Document | None) -> Document:
    """The invoice with this payment added or replaced, and with its derived fields."""
    changed = dict(invoice)
    if payment:
        others = (each for each in invoice["payments"] if not _is(each, payment["payment_id"]))
        changed["payments"] = [*others, payment]
    return changed | {"paid": amount_paid(changed), "payment_status": payment_status(changed)}


def with_response(invoice: Document, response: Response) -> Document | None:
    """The open payment with the gateway's response; None when the response is recorded already."""
    last = invoice["payments"][-1]
    if not _is(last, response.key) or last["state"] != ASKED:
        return None
    if response.declined:
        outcome = {"state": DECLINED, "reason": response.declined}
    else:
        outcome = {"state": DONE, "reference": response.reference}
    return {**last, "at": clock.now(), **outcome}


def completed(invoice: Document) -> list[Document]:
    """The captures and refunds that the gateway carried out, oldest first."""
    return [each for each in invoice["payments"] if each["state"] == DONE]


def _is(payment: Document, payment_id: str) -> bool:
    return bool(payment["payment_id"] == payment_id)


def _signed(payment: Document) -> Decimal:
    amount = Decimal(payment["amount"])
    return amount if payment["kind"] == CAPTURE else -amount


def _refund(invoice: Document, owed: Decimal) -> Document:
    """A refund from the newest capture with an amount left: what is owed, or all that is left.

    A gateway refunds a charge, so what is owed beyond it takes another refund.
    """
    left: dict[str, Decimal] = {}
    for payment in completed(invoice):
        of = str(payment.get("of", payment["payment_id"]))
        left[of] = left.get(of, Decimal()) + _signed(payment)
    of, rest = next((of, amount) for of, amount in reversed(left.items()) if amount > 0)
    return _new(invoice, REFUND, min(rest, owed), of=of)


def _new(invoice: Document, kind: str, amount: Decimal, **details: str) -> Document:
    """A payment to request. Its id, which is the gateway's key, is order id and position.

    An invoice that had to be rebuilt therefore uses the old keys, and gets the recorded responses.
    """
    return {
        "payment_id": f"{invoice['order_id']}-{len(invoice['payments']) + 1}",
        "kind": kind,
        "amount": Currency(invoice["currency"]).format(amount),
        "state": ASKED,
        "at": clock.now(),
        **details,
    }


def _is_same(one: Document, other: Document) -> bool:
    return all(one.get(name) == other.get(name) for name in ("kind", "amount", "method"))
