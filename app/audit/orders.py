"""Compares events, reservations, invoices, shipments and statuses with the orders.

They follow from an order once its deliveries to the services are done. While such a delivery is
open (pending, or dead and in failure.json), or after a person discarded it, nothing is compared.
"""

from collections import Counter

from app.audit.comparison import Comparison, delivery_states
from app.audit.events import check_timeline
from app.audit.invoices import check_invoice, check_invoice_of_deleted
from app.audit.order_documents import OrderDocuments, read_orders
from app.audit.report import AuditReport, Repair
from app.audit.shipments import check_goods_sent, check_shipment, check_shipment_of_deleted
from app.audit.stock import (
    check_backorder,
    check_reservation_of_deleted,
    format_quantities,
    skus_in_allocation,
)
from app.inventory.queries import stocked_quantities
from app.kernel.errors import Invalid
from app.kernel.order_states import BACKORDERED, CONFIRMED, FAILED, OPEN, PLACED, STATUSES
from app.kernel.quantities import quantities
from app.orders.documents import HISTORY, ORDERS
from app.store import Document, View


def check_orders(view: View, report: AuditReport) -> None:
    """Each order, deleted ones included, agrees with what the shop has under its id.

    No two orders have the same number, and no two invoices.
    """
    numbers, invoice_numbers = Counter[int](), Counter[int]()
    in_allocation = skus_in_allocation(view)
    for documents in read_orders(view):
        order, order_id = documents.order, documents.order_id
        where = f"order {order['number'] if order else order_id}"
        comparison = Comparison(report, where, order_id, delivery_states(documents.records))
        check_timeline(comparison, documents)
        if order:
            report.orders += 1
            numbers[order["number"]] += 1
            _check_order(view, comparison, documents, order)
            if documents.reservation:
                check_backorder(view, comparison, order, documents.reservation, in_allocation)
        else:
            check_reservation_of_deleted(comparison, documents.reservation)
            check_invoice_of_deleted(comparison, documents)
            check_shipment_of_deleted(comparison, documents)
        check_goods_sent(view, comparison, documents)
        if documents.invoice:
            invoice_numbers[documents.invoice["invoice_number"]] += 1
    report.add_repeated("order", numbers)
    report.add_repeated("invoice", invoice_numbers)


def _check_order(
    view: View, comparison: Comparison, documents: OrderDocuments, order: Document
) -> None:
    try:
        ORDERS.check(order)
    except Invalid as error:
        where = f"order {order['order_id']}"
        comparison.report.add("document", where, "a sound order", error)
        return
    events = (step["event"] for step in HISTORY.newest_first(view, order))
    stated = next((event for event in events if event in STATUSES), order["status"])
    if stated != order["status"]:
        comparison.add("status", f"{stated}, by its history", order["status"])
    if order.get("is_past"):
        return  # nothing follows from an order that was settled elsewhere
    if comparison.handlers_are_done("inventory", "orders"):
        _check_reservation(view, comparison, order, documents.reservation)
    check_invoice(comparison, documents, order)
    if comparison.handlers_are_done("inventory", "orders", "shipping"):
        check_shipment(comparison, documents.shipment, order)


def _check_reservation(
    view: View, comparison: Comparison, order: Document, reservation: Document | None
) -> None:
    status = order["status"]
    if status == PLACED:
        expected = f"{CONFIRMED}, {BACKORDERED} or {FAILED}"
        comparison.add("status", expected, status, Repair.RESERVATION)
        return
    holds = status in OPEN and status != BACKORDERED
    wanted = format_quantities(stocked_quantities(view, order) if holds else Counter())
    held = format_quantities(quantities(reservation["lines"] if reservation else []))
    comparison.compare("reservation", wanted, held, Repair.RESERVATION)
