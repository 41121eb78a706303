"""Compares reservations, invoices, shipments and statuses with the orders.

They follow from an order once its deliveries to the services are done. While such a delivery is
open (pending, or dead and in failure.json), or after a person discarded it, nothing is compared.
"""

from collections import Counter

from app.audit.comparison import Comparison
from app.audit.invoices import check_invoice
from app.audit.report import AuditReport, Repair, documents_of
from app.audit.shipments import check_shipment
from app.audit.stock import format_quantities
from app.inventory.documents import RESERVATIONS
from app.inventory.queries import stocked_quantities
from app.kernel.errors import Invalid
from app.kernel.order_states import BACKORDERED, CONFIRMED, FAILED, OPEN, PLACED, STATUSES
from app.kernel.quantities import quantities
from app.orders.documents import HISTORY, ORDERS
from app.store import Document, View


def check_orders(view: View, report: AuditReport) -> None:
    """Each order agrees with its reservation, invoice and shipment; no two have the same number."""
    numbers: Counter[int] = Counter()
    for order in documents_of(view, ORDERS.name):
        report.orders += 1
        numbers[order["number"]] += 1
        where = f"order {order['number']}"
        _check_order(Comparison(view, report, where, order["order_id"]), order)
    report.add_repeated("order", numbers)


def _check_order(comparison: Comparison, order: Document) -> None:
    try:
        ORDERS.check(order)
    except Invalid as error:
        where = f"order {order['order_id']}"
        comparison.report.add("document", where, "a sound order", error)
        return
    events = (step["event"] for step in HISTORY.newest_first(comparison.view, order))
    stated = next((event for event in events if event in STATUSES), order["status"])
    if stated != order["status"]:
        comparison.add("status", f"{stated}, by its history", order["status"])
    if order.get("is_past"):
        return  # nothing follows from an order that was settled elsewhere
    if comparison.handlers_are_done("inventory", "orders"):
        _check_reservation(comparison, order)
    check_invoice(comparison, order)
    if comparison.handlers_are_done("inventory", "orders", "shipping"):
        check_shipment(comparison, order)


def _check_reservation(comparison: Comparison, order: Document) -> None:
    view, status = comparison.view, order["status"]
    if status == PLACED:
        expected = f"{CONFIRMED}, {BACKORDERED} or {FAILED}"
        comparison.add("status", expected, status, Repair.RESERVATION)
        return
    holds = status in OPEN and status != BACKORDERED
    wanted = format_quantities(stocked_quantities(view, order) if holds else Counter())
    reservation = view.get(RESERVATIONS.name, order["order_id"]) or {"lines": []}
    held = format_quantities(quantities(reservation["lines"]))
    comparison.compare("reservation", wanted, held, Repair.RESERVATION)
