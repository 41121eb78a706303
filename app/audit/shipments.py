"""Compares shipments with their orders."""

from app.audit.report import AuditReport, Repair
from app.orders import states
from app.shipping.states import READY, SENT, WAITING
from app.store import Document, View

FOLLOWS_SHIPMENT = (*states.OPEN, states.SHIPPED)
"""The states from which a repair lets an order follow its shipment."""


def check_shipment(view: View, report: AuditReport, order: Document) -> None:
    """An open order has a shipment in a state that agrees with its own; a closed one has none."""
    order_id, status, where = order["order_id"], order["status"], f"order {order['number']}"
    shipment = view.get("shipments", order_id)
    found = shipment["state"] if shipment else "none"
    if found in SENT:
        if status != found:
            repair = Repair.STATUS if status in FOLLOWS_SHIPMENT else None
            report.add("status", where, found, status, repair, order_id)
    elif status in states.SENT:
        report.add("shipment", where, status, found)
    elif status in states.OPEN:
        expected = WAITING if status == states.BACKORDERED else f"{WAITING} or {READY}"
        if found not in expected.split(" or "):
            report.add("shipment", where, expected, found, Repair.SHIPMENT, order_id)
    elif shipment:
        report.add("shipment", where, "none", found, Repair.SHIPMENT, order_id)
