"""Compares shipments with their orders, and what follows from them with the shipments."""

from dataclasses import replace

from app.audit.comparison import Comparison
from app.audit.report import AuditReport, Repair, documents_of
from app.billing.documents import INVOICES
from app.inventory.documents import LEDGER, PRODUCTS
from app.inventory.reservations import ledger_line_id
from app.kernel.order_states import BACKORDERED, OPEN, SENT, SHIPPED
from app.kernel.quantities import quantities
from app.orders.documents import ORDERS
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import get_shipment
from app.shipping.states import READY, WAITING
from app.store import Document, View

FOLLOWS_SHIPMENT = (*OPEN, SHIPPED)
"""The states from which a repair lets an order follow its shipment."""


def check_shipments(view: View, report: AuditReport) -> None:
    """No shipment of a deleted order waits to be packed, and shipped goods are accounted for."""
    for shipment in documents_of(view, SHIPMENTS.name):
        order_id, where = shipment["shipment_id"], f"order {shipment['order_number']}"
        comparison = Comparison(view, report, where, order_id)
        is_orphan, is_sent = view.get(ORDERS.name, order_id) is None, shipment["state"] in SENT
        if is_orphan and is_sent:
            _check_sold_goods(replace(comparison, where=f"{where}, shipped and gone"))
        elif is_orphan and comparison.handlers_are_done("shipping"):
            gone = replace(comparison, where=f"{where}, which is gone")
            gone.add("shipment", "none", shipment["state"], Repair.SHIPMENT)
        if is_sent and comparison.handlers_are_done("inventory"):
            _check_ledger(replace(comparison, where=f"shipment of {where}"), shipment)


def check_shipment(comparison: Comparison, order: Document) -> None:
    """An open order has a shipment in a state that agrees with its own; a closed one has none."""
    status = order["status"]
    shipment = get_shipment(comparison.view, order["order_id"])
    found = shipment["state"] if shipment else "none"
    if found in SENT:
        repair = Repair.STATUS if status in FOLLOWS_SHIPMENT else None
        comparison.compare("status", found, status, repair)
    elif status in SENT:
        comparison.add("shipment", status, found)
    elif status in OPEN:
        expected = WAITING if status == BACKORDERED else f"{WAITING} or {READY}"
        if found not in expected.split(" or "):
            comparison.add("shipment", expected, found, Repair.SHIPMENT)
    elif shipment:
        comparison.add("shipment", "none", found, Repair.SHIPMENT)


def _check_sold_goods(order: Comparison) -> None:
    """Goods that were shipped for a deleted order have an invoice."""
    if order.view.get(INVOICES.name, order.subject) is None and order.handlers_are_done("billing"):
        order.add("invoice", "one", "none", Repair.INVOICE)


def _check_ledger(comparison: Comparison, shipment: Document) -> None:
    """Goods that were shipped are booked out in the ledger."""
    view = comparison.view
    for sku, quantity in quantities(shipment["lines"]).items():
        line = view.get(LEDGER.name, ledger_line_id(shipment, sku))
        found = -line["change"] if line else 0
        if found != quantity and view.get(PRODUCTS.name, sku):
            repair = None if line else Repair.SHIPPED
            comparison.add(f"{sku} booked out", quantity, found, repair)
