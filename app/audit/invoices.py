"""Compares invoices and their payments with the orders."""

from dataclasses import replace

from app.audit.comparison import Comparison
from app.audit.order_documents import OrderDocuments
from app.audit.report import Repair
from app.billing import payments
from app.billing.payments import OPEN, VOID
from app.billing.service import COPIED_FIELDS
from app.kernel.order_states import VOIDED
from app.store import Document


def check_invoice(comparison: Comparison, documents: OrderDocuments, order: Document) -> None:
    """An order has the invoice and payments that follow from it, and their payment status."""
    if not comparison.handlers_are_done("billing"):
        return
    invoice = documents.invoice
    is_sound = _check_order_invoice(comparison, documents, order)
    if invoice and is_sound and comparison.handlers_are_done("orders"):
        expected, found = invoice["payment_status"], order["payment_status"]
        comparison.compare("payment_status", expected, found, Repair.PAYMENT_STATUS)


def check_invoice_of_deleted(comparison: Comparison, documents: OrderDocuments) -> None:
    """The invoice of a deleted order is void, or settled where the goods have left."""
    invoice = documents.invoice
    if invoice is None or not comparison.handlers_are_done("billing"):
        return
    gone = replace(comparison, where=f"order {invoice['order_number']}, which is gone")
    expected = OPEN if documents.has_left else VOID
    if gone.compare("invoice status", expected, invoice["status"], Repair.INVOICE):
        _check_payments(gone, invoice)


def _check_order_invoice(
    comparison: Comparison, documents: OrderDocuments, order: Document
) -> bool:
    """Whether the invoice follows from the order, and its payments from the invoice."""
    invoice, is_void = documents.invoice, order["status"] in VOIDED and not documents.has_left
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
