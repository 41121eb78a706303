"""Compares shipments with their orders."""

from app.audit.report import AuditReport, Repair
from app.kernel.order_states import BACKORDERED, OPEN, SENT, SHIPPED
from app.shipping.queries import get_shipment
from app.shipping.states import READY, WAITING
from app.store import Document, View

FOLLOWS_SHIPMENT = (*OPEN, SHIPPED)
"""The states from which a repair lets an order follow its shipment."""


def check_shipment(view: View, report: AuditReport, order: Document) -> None:
    """An open order has a shipment in a state that agrees with its own; a closed one has none."""
    order_id, status, where = order["order_id"], order["status"], f"order {order['number']}"
    shipment = get_shipment(view, order_id)
    found = shipment["state"] if shipment else "none"
    if found in SENT:
        if status != found:
            repair = Repair.STATUS if status in FOLLOWS_SHIPMENT else None
            report.add("status", where, found, status, repair, order_id)
    elif status in SENT:
        report.add("shipment", where, status, found)
    elif status in OPEN:
        expected = WAITING if status == BACKORDERED else f"{WAITING} or {READY}"
        if found not in expected.split(" or "):
            report.add("shipment", where, expected, found, Repair.SHIPMENT, order_id)
    elif shipment:
        report.add("shipment", where, "none", found, Repair.SHIPMENT, order_id)
