"""Compares reservations, invoices, shipments and statuses with the orders.

They follow from an order once its deliveries to the services are done. While such a delivery is
open (pending, or dead and in failure.json), or after a person discarded it, nothing is compared.
"""

from collections import Counter

from app.audit.invoices import check_invoice
from app.audit.progress import deliveries_of, handlers_are_done
from app.audit.report import AuditReport, Repair, documents_of
from app.audit.shipments import check_shipment
from app.audit.stock import format_quantities
from app.inventory.documents import RESERVATIONS
from app.inventory.queries import stocked_quantities
from app.kernel.errors import Invalid
from app.kernel.order_states import BACKORDERED, CONFIRMED, FAILED, OPEN, PLACED, SENT, STATUSES
from app.kernel.quantities import quantities
from app.orders.documents import ORDERS
from app.shipping.documents import SHIPMENTS
from app.store import Document, View


def check_orders(view: View, report: AuditReport) -> None:
    """Each order agrees with its reservation, invoice and shipment; no two have the same number."""
    numbers: Counter[int] = Counter()
    for order in documents_of(view, ORDERS.name):
        report.orders += 1
        numbers[order["number"]] += 1
        _check_order(view, report, order)
    report.add_repeated("order", numbers)


def check_shipments(view: View, report: AuditReport) -> None:
    """No shipment of a deleted order waits to be packed."""
    for shipment in documents_of(view, SHIPMENTS.name):
        order_id = shipment["shipment_id"]
        if (
            shipment["state"] not in SENT
            and view.get(ORDERS.name, order_id) is None
            and handlers_are_done(report, order_id, deliveries_of(view, order_id), "shipping")
        ):
            where = f"order {shipment['order_number']}, which is gone"
            report.add("shipment", where, "none", shipment["state"], Repair.SHIPMENT, order_id)


def _check_order(view: View, report: AuditReport, order: Document) -> None:
    order_id = order["order_id"]
    try:
        ORDERS.check(order)
    except Invalid as error:
        report.add("document", f"order {order_id}", "a sound order", error)
        return
    deliveries = deliveries_of(view, order_id)
    _check_status(report, order)
    if handlers_are_done(report, order_id, deliveries, "inventory", "orders"):
        _check_reservation(view, report, order)
    check_invoice(view, report, order, deliveries)
    if handlers_are_done(report, order_id, deliveries, "inventory", "orders", "shipping"):
        check_shipment(view, report, order)


def _check_status(report: AuditReport, order: Document) -> None:
    stated = [step["event"] for step in order["history"] if step["event"] in STATUSES]
    if stated and stated[-1] != order["status"]:
        where = f"order {order['number']}"
        report.add("status", where, f"{stated[-1]}, by its history", order["status"])


def _check_reservation(view: View, report: AuditReport, order: Document) -> None:
    order_id, status, where = order["order_id"], order["status"], f"order {order['number']}"
    if status == PLACED:
        expected = f"{CONFIRMED}, {BACKORDERED} or {FAILED}"
        report.add("status", where, expected, status, Repair.RESERVATION, order_id)
        return
    holds = status in OPEN and status != BACKORDERED
    wanted = stocked_quantities(view, order) if holds else Counter[str]()
    reservation = view.get(RESERVATIONS.name, order_id) or {"lines": []}
    held = quantities(reservation["lines"])
    if held != wanted:
        report.add(
            "reservation",
            where,
            format_quantities(wanted),
            format_quantities(held),
            Repair.RESERVATION,
            order_id,
        )
