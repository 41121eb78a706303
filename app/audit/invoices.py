"""Compares invoices and their payments with the orders."""

from collections import Counter

from app.audit.progress import deliveries_of, handlers_are_done
from app.audit.report import AuditReport, Repair, documents_of
from app.billing import payments
from app.billing.documents import INVOICES
from app.billing.payments import OPEN, VOID
from app.billing.service import COPIED
from app.kernel.order_states import VOIDED
from app.orders.documents import ORDERS
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import has_left
from app.store import Document, View


def check_invoices(view: View, report: AuditReport) -> None:
    """The invoice of a deleted order is void or settled, and no two have the same number."""
    numbers: Counter[int] = Counter()
    for invoice in documents_of(view, INVOICES.name):
        order_id = invoice["order_id"]
        numbers[invoice["invoice_number"]] += 1
        if view.get(ORDERS.name, order_id) is None and handlers_are_done(
            report, order_id, deliveries_of(view, order_id), "billing"
        ):
            _check_orphan(view, report, invoice)
    report.add_repeated("invoice", numbers)


def check_sold_goods(view: View, report: AuditReport) -> None:
    """Goods that were shipped for a deleted order have an invoice."""
    for shipment in documents_of(view, SHIPMENTS.name):
        order_id = shipment["shipment_id"]
        if (
            view.get(ORDERS.name, order_id) is None
            and view.get(INVOICES.name, order_id) is None
            and has_left(view, order_id)
            and handlers_are_done(report, order_id, deliveries_of(view, order_id), "billing")
        ):
            where = f"order {shipment['order_number']}, shipped and gone"
            report.add("invoice", where, "one", "none", Repair.INVOICE, order_id)


def check_invoice(
    view: View, report: AuditReport, order: Document, deliveries: dict[str, str]
) -> None:
    """An order has the invoice and payments that follow from it, and their payment status."""
    order_id = order["order_id"]
    if not handlers_are_done(report, order_id, deliveries, "billing"):
        return
    invoice = view.get(INVOICES.name, order_id)
    is_sound = _check_order_invoice(view, report, order, invoice)
    if invoice and is_sound and handlers_are_done(report, order_id, deliveries, "orders"):
        _check_payment_status(report, order, invoice)


def _check_orphan(view: View, report: AuditReport, invoice: Document) -> None:
    """The invoice of a deleted order is void, or open when the goods were shipped."""
    status, order_id = invoice["status"], invoice["order_id"]
    expected = OPEN if has_left(view, order_id) else VOID
    if status != expected:
        where = f"order {invoice['order_number']}, which is gone"
        report.add("invoice status", where, expected, status, Repair.INVOICE, order_id)
    else:
        _check_payments(report, invoice)


def _check_order_invoice(
    view: View, report: AuditReport, order: Document, invoice: Document | None
) -> bool:
    """Whether the invoice follows from the order, and its payments from the invoice."""
    order_id, where = order["order_id"], f"order {order['number']}"
    is_void = order["status"] in VOIDED and not has_left(view, order_id)
    if invoice is None:
        if not is_void:
            report.add("invoice", where, "one", "none", Repair.INVOICE, order_id)
        return is_void
    if (invoice["status"] == VOID) != is_void:
        expected = VOID if is_void else OPEN
        report.add("invoice status", where, expected, invoice["status"], Repair.INVOICE, order_id)
        return False
    others = [] if is_void else [name for name in COPIED if invoice[name] != order[name]]
    for name in others:
        what = f"invoice {name}"
        report.add(what, where, order[name], invoice[name], Repair.INVOICE, order_id)
    return not others and _check_payments(report, invoice)


def _check_payments(report: AuditReport, invoice: Document) -> bool:
    """Whether the sums follow from the payments, and no payment or refund is due."""
    order_id, where = invoice["order_id"], f"invoice {invoice['invoice_number']}"
    right = payments.with_payment(invoice, None)
    wrong = [name for name in ("paid", "payment_status") if invoice[name] != right[name]]
    for name in wrong:
        report.add(name, where, right[name], invoice[name], Repair.INVOICE, order_id)
    due = None if wrong else payments.next_payment(invoice)
    if due:
        found = f"a {due['kind']} of {due['amount']}"
        report.add("payments", where, "nothing due", found, Repair.INVOICE, order_id)
    return not wrong and not due


def _check_payment_status(report: AuditReport, order: Document, invoice: Document) -> None:
    """The order has the payment status of its invoice."""
    expected, found = invoice["payment_status"], order["payment_status"]
    if found != expected:
        where, order_id = f"order {order['number']}", order["order_id"]
        report.add("payment_status", where, expected, found, Repair.PAYMENT_STATUS, order_id)
