"""The payments of an invoice: what was paid, what has to be asked next, and what that amounts to.

Pure functions over an invoice. A payment is {payment_id, kind, amount, state, at} with, for a
capture, the method; for a refund, `of`: the capture that it gives back; and once answered, the
gateway's reference, or the reason of a decline.

    asked ──approved──▶ done
      └─────declined──▶ declined

It is written down as asked before the gateway hears of it, and asked again, under the same
payment_id, until an answer is on record. So at most one payment of an invoice is open, nothing is
charged twice, and nothing is charged without a trace.
"""

from decimal import Decimal

from app.billing.gateway import Answer, Charge, Refund
from app.kernel import clock
from app.kernel.money import Currency
from app.kernel.payment_methods import INVOICE
from app.store import Document

CAPTURE, REFUND = "capture", "refund"
ASKED, DONE, DECLINED = "asked", "done", "declined"
PENDING, PAID, FAILED, REFUNDED = "pending", "paid", "failed", "refunded"
OPEN, VOID = "open", "void"


def paid(invoice: Document) -> str:
    """What the gateway took, less what it gave back."""
    total = sum((_signed(each) for each in done(invoice)), Decimal())
    return Currency(invoice["currency"]).write(total)


def payment_status(invoice: Document) -> str:
    """The payment status of the order that the invoice is for.

    `paid` also while a difference is being asked for, or left to be paid by invoice; `failed` while
    the last answer was a decline and something is missing.
    """
    answered = [each for each in invoice["payments"] if each["state"] != ASKED]
    if not answered:
        return PENDING
    if _due(invoice) == 0 and invoice["status"] == OPEN:
        return PAID
    if answered[-1]["state"] == DECLINED:
        return FAILED
    is_refunded = answered[-1]["kind"] == REFUND and Decimal(paid(invoice)) == 0
    return REFUNDED if is_refunded else PAID


def next_payment(invoice: Document) -> Document | None:
    """The payment that has to be asked for now: the open one, a missing one, or None.

    What was declined is not asked for again until the amount or the method has changed. A total of
    nothing is paid by a payment of nothing, which needs no gateway: its state is done.
    """
    last = invoice["payments"][-1] if invoice["payments"] else None
    if last and last["state"] == ASKED:
        return dict(last)
    due = _due(invoice)
    if due < 0:
        return _refund(invoice, -due)
    if invoice["status"] != OPEN or (due == 0 and last):
        return None
    if due and invoice["payment_method"] == INVOICE:
        return None
    wanted = _new(invoice, CAPTURE, due, method=invoice["payment_method"])
    if not due:
        return wanted | {"state": DONE}
    if last and last["state"] == DECLINED and _is_same(last, wanted):
        return None
    return wanted


def question(invoice: Document, payment: Document) -> Charge | Refund | None:
    """What to ask the gateway for this payment, the same whenever it is asked; None when done."""
    if payment["state"] != ASKED:
        return None
    key, amount, currency = payment["payment_id"], payment["amount"], invoice["currency"]
    if payment["kind"] == CAPTURE:
        return Charge(key, amount, currency, payment["method"])
    (of,) = (each for each in invoice["payments"] if _is(each, payment["of"]))
    return Refund(key, amount, currency, of["reference"])


def with_payment(invoice: Document, payment: Document | None) -> Document:
    """The invoice with its sums, and with this payment, if any, new or changed."""
    changed = dict(invoice)
    if payment:
        others = (each for each in invoice["payments"] if not _is(each, payment["payment_id"]))
        changed["payments"] = [*others, payment]
    return changed | {"paid": paid(changed), "payment_status": payment_status(changed)}


def answered(invoice: Document, answer: Answer) -> Document | None:
    """The open payment as the answer has it; None when that answer is on record already."""
    last = invoice["payments"][-1]
    if not _is(last, answer.key) or last["state"] != ASKED:
        return None
    if answer.declined:
        outcome = {"state": DECLINED, "reason": answer.declined}
    else:
        outcome = {"state": DONE, "reference": answer.reference}
    return {**last, "at": clock.now(), **outcome}


def done(invoice: Document) -> list[Document]:
    """The payments that were made: captures and refunds, in order."""
    return [each for each in invoice["payments"] if each["state"] == DONE]


def _is(payment: Document, payment_id: str) -> bool:
    return bool(payment["payment_id"] == payment_id)


def _signed(payment: Document) -> Decimal:
    amount = Decimal(payment["amount"])
    return amount if payment["kind"] == CAPTURE else -amount


def _due(invoice: Document) -> Decimal:
    """What is still to be paid; below zero, what is to be given back."""
    total = Decimal(invoice["total_amount"]) if invoice["status"] == OPEN else Decimal()
    return total - Decimal(paid(invoice))


def _refund(invoice: Document, owed: Decimal) -> Document:
    """A refund of the newest capture that still holds something: all that is owed, or all it has.

    A gateway gives back a charge, not an amount; what is owed beyond it is the next refund's.
    """
    left: dict[str, Decimal] = {}
    for payment in done(invoice):
        of = str(payment.get("of", payment["payment_id"]))
        left[of] = left.get(of, Decimal()) + _signed(payment)
    of, most = next((of, amount) for of, amount in reversed(left.items()) if amount > 0)
    return _new(invoice, REFUND, min(most, owed), of=of)


def _new(invoice: Document, kind: str, amount: Decimal, **details: str) -> Document:
    """A payment to be asked for. Its id, the gateway's key, follows from order and place alone.

    So an invoice that had to be made anew asks under the old keys, and learns what was paid.
    """
    return {
        "payment_id": f"{invoice['order_id']}-{len(invoice['payments']) + 1}",
        "kind": kind,
        "amount": Currency(invoice["currency"]).write(amount),
        "state": ASKED,
        "at": clock.now(),
        **details,
    }


def _is_same(one: Document, other: Document) -> bool:
    return all(one.get(name) == other.get(name) for name in ("kind", "amount", "method"))
