"""Compares shipments with their orders, and what follows from them with the shipments."""

from dataclasses import replace

from app.audit.comparison import Comparison
from app.audit.order_documents import OrderDocuments
from app.audit.report import Repair
from app.inventory.documents import LEDGER, PRODUCTS
from app.inventory.reservations import ledger_line_id
from app.kernel.order_states import BACKORDERED, OPEN, SENT, SHIPPED
from app.kernel.quantities import quantities
from app.shipping.states import READY, WAITING
from app.store import Document, View

FOLLOWS_SHIPMENT = (*OPEN, SHIPPED)
"""The states from which a repair lets an order follow its shipment."""


def check_shipment(comparison: Comparison, shipment: Document | None, order: Document) -> None:
    """An open order has a shipment in a state that agrees with its own; a closed one has none."""
    status = order["status"]
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


def check_shipment_of_deleted(comparison: Comparison, documents: OrderDocuments) -> None:
    """No shipment of a deleted order waits to be packed, and goods that left have an invoice."""
    shipment = documents.shipment
    if shipment is None:
        return
    where = f"order {shipment['order_number']}"
    if documents.has_left:
        if documents.invoice is None and comparison.handlers_are_done("billing"):
            sold = replace(comparison, where=f"{where}, shipped and gone")
            sold.add("invoice", "one", "none", Repair.INVOICE)
    elif comparison.handlers_are_done("shipping"):
        gone = replace(comparison, where=f"{where}, which is gone")
        gone.add("shipment", "none", shipment["state"], Repair.SHIPMENT)


def check_goods_sent(view: View, comparison: Comparison, documents: OrderDocuments) -> None:
    """Goods that were shipped are booked out in the ledger."""
    shipment = documents.shipment
    if shipment is None or not documents.has_left or not comparison.handlers_are_done("inventory"):
        return
    order = replace(comparison, where=f"shipment of order {shipment['order_number']}")
    for sku, quantity in quantities(shipment["lines"]).items():
        line = view.get(LEDGER.name, ledger_line_id(shipment, sku))
        found = -line["change"] if line else 0
        if found != quantity and view.get(PRODUCTS.name, sku):
            repair = None if line else Repair.SHIPPED
            order.add(f"{sku} booked out", quantity, found, repair)
