"""Compares invoices and their payments with the orders."""

from collections import Counter
from dataclasses import replace

from app.audit.comparison import Comparison
from app.audit.report import AuditReport, Repair, documents_of
from app.billing import payments
from app.billing.documents import INVOICES
from app.billing.payments import OPEN, VOID
from app.billing.service import COPIED_FIELDS
from app.kernel.order_states import VOIDED
from app.orders.documents import ORDERS
from app.shipping.queries import has_left
from app.store import Document, View


def check_invoices(view: View, report: AuditReport) -> None:
    """The invoice of a deleted order is void or settled, and no two have the same number."""
    numbers: Counter[int] = Counter()
    for invoice in documents_of(view, INVOICES.name):
        order_id = invoice["order_id"]
        numbers[invoice["invoice_number"]] += 1
        where = f"order {invoice['order_number']}, which is gone"
        comparison = Comparison(view, report, where, order_id)
        if view.get(ORDERS.name, order_id) is None and comparison.handlers_are_done("billing"):
            expected = OPEN if has_left(view, order_id) else VOID
            if comparison.compare("invoice status", expected, invoice["status"], Repair.INVOICE):
                _check_payments(comparison, invoice)
    report.add_repeated("invoice", numbers)


def check_invoice(comparison: Comparison, order: Document) -> None:
    """An order has the invoice and payments that follow from it, and their payment status."""
    if not comparison.handlers_are_done("billing"):
        return
    invoice = comparison.view.get(INVOICES.name, comparison.subject)
    is_sound = _check_order_invoice(comparison, order, invoice)
    if invoice and is_sound and comparison.handlers_are_done("orders"):
        expected, found = invoice["payment_status"], order["payment_status"]
        comparison.compare("payment_status", expected, found, Repair.PAYMENT_STATUS)


def _check_order_invoice(comparison: Comparison, order: Document, invoice: Document | None) -> bool:
    """Whether the invoice follows from the order, and its payments from the invoice."""
    is_void = order["status"] in VOIDED and not has_left(comparison.view, order["order_id"])
    if invoice is None:
        return is_void or comparison.compare("invoice", "one", "none", Repair.INVOICE)
    if (invoice["status"] == VOID) != is_void:
        expected = VOID if is_void else OPEN
        return comparison.compare("invoice status", expected, invoice["status"], Repair.INVOICE)
    others = [] if is_void else [name for name in COPIED_FIELDS if invoice[name] != order[name]]
    for name in others:
        comparison.add(f"invoice {name}", order[name], invoice[name], Repair.INVOICE)
    return not others and _check_payments(comparison, invoice)


def _check_payments(order: Comparison, invoice: Document) -> bool:
    """Whether the sums follow from the payments, and no payment or refund is due."""
    comparison = replace(order, where=f"invoice {invoice['invoice_number']}")
    right, names = payments.with_payment(invoice, None), ("paid", "payment_status")
    is_sound = comparison.compare_fields(names, right, invoice, Repair.INVOICE)
    due = payments.next_payment(invoice) if is_sound else None
    if due:
        found = f"a {due['kind']} of {due['amount']}"
        comparison.add("payments", "nothing due", found, Repair.INVOICE)
    return is_sound and not due
