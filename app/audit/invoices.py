"""Invoices, their payments, and what the orders say of them."""

from collections import Counter

from app.audit.findings import Findings, Mend, document_of
from app.audit.progress import are_through, deliveries_of
from app.billing import payments
from app.billing.documents import INVOICES
from app.billing.payments import OPEN, VOID
from app.billing.service import ORDER_FIELDS
from app.kernel.order_states import VOIDED
from app.orders.documents import ORDERS
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import has_left
from app.store import Document, View


def of_invoices(view: View, findings: Findings) -> None:
    """No invoice is open or unsettled whose order is gone, and no number stands twice."""
    numbers: Counter[int] = Counter()
    for order_id in view.keys(INVOICES.name):
        invoice = document_of(view, INVOICES.name, order_id)
        numbers[invoice["invoice_number"]] += 1
        if view.get(ORDERS.name, order_id) is None and are_through(
            findings, order_id, deliveries_of(view, order_id), "billing"
        ):
            _of_abandoned(view, findings, invoice)
    for number, times in numbers.items():
        if times > 1:
            findings.differ("number", f"invoice {number}", "one invoice", f"{times} invoices")


def of_sold_goods(view: View, findings: Findings) -> None:
    """No goods have left without an invoice; those of an order that is there are seen with it."""
    for order_id in view.keys(SHIPMENTS.name):
        if (
            view.get(ORDERS.name, order_id) is None
            and view.get(INVOICES.name, order_id) is None
            and has_left(view, order_id)
            and are_through(findings, order_id, deliveries_of(view, order_id), "billing")
        ):
            number = document_of(view, SHIPMENTS.name, order_id)["order_number"]
            where = f"order {number}, shipped and gone"
            findings.differ("invoice", where, "one", "none", Mend.INVOICE, order_id)


def of_invoice(view: View, findings: Findings, order: Document, deliveries: dict[str, str]) -> None:
    """An order's invoice and payments, and that the order says of them what is true."""
    order_id = order["order_id"]
    if not are_through(findings, order_id, deliveries, "billing"):
        return
    invoice = view.get(INVOICES.name, order_id)
    is_sound = _is_as_ordered(view, findings, order, invoice)
    if invoice and is_sound and are_through(findings, order_id, deliveries, "orders"):
        _of_payment_status(findings, order, invoice)


def _of_abandoned(view: View, findings: Findings, invoice: Document) -> None:
    """An invoice whose order is gone: void, or open when the goods are gone too."""
    status, order_id = invoice["status"], invoice["order_id"]
    expected = OPEN if has_left(view, order_id) else VOID
    if status != expected:
        where = f"order {invoice['order_number']}, which is gone"
        findings.differ("invoice status", where, expected, status, Mend.INVOICE, order_id)
    else:
        _are_settled(findings, invoice)


def _is_as_ordered(
    view: View, findings: Findings, order: Document, invoice: Document | None
) -> bool:
    """Whether the invoice says what the order says, and its payments follow."""
    order_id, where = order["order_id"], f"order {order['number']}"
    is_void = order["status"] in VOIDED and not has_left(view, order_id)
    if invoice is None:
        if not is_void:
            findings.differ("invoice", where, "one", "none", Mend.INVOICE, order_id)
        return is_void
    if (invoice["status"] == VOID) != is_void:
        expected = VOID if is_void else OPEN
        findings.differ(
            "invoice status", where, expected, invoice["status"], Mend.INVOICE, order_id
        )
        return False
    others = [] if is_void else [name for name in ORDER_FIELDS if invoice[name] != order[name]]
    for name in others:
        what = f"invoice {name}"
        findings.differ(what, where, order[name], invoice[name], Mend.INVOICE, order_id)
    return not others and _are_settled(findings, invoice)


def _are_settled(findings: Findings, invoice: Document) -> bool:
    """Whether the sums follow from the payments, and nothing is to be paid or given back."""
    order_id, where = invoice["order_id"], f"invoice {invoice['invoice_number']}"
    right = payments.with_payment(invoice, None)
    wrong = [name for name in ("paid", "payment_status") if invoice[name] != right[name]]
    for name in wrong:
        findings.differ(name, where, right[name], invoice[name], Mend.INVOICE, order_id)
    due = None if wrong else payments.next_payment(invoice)
    if due:
        found = f"a {due['kind']} of {due['amount']}"
        findings.differ("payments", where, "nothing due", found, Mend.INVOICE, order_id)
    return not wrong and not due


def _of_payment_status(findings: Findings, order: Document, invoice: Document) -> None:
    """The order says what its invoice says."""
    expected, found = invoice["payment_status"], order["payment_status"]
    if found != expected:
        where, order_id = f"order {order['number']}", order["order_id"]
        findings.differ("payment_status", where, expected, found, Mend.PAYMENT_STATUS, order_id)
