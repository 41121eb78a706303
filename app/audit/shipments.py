"""Shipments, compared with their orders."""

from app.audit.findings import Findings, Mend
from app.kernel import order_states as states
from app.kernel.order_states import SENT
from app.shipping.queries import get_shipment
from app.shipping.states import READY, WAITING
from app.store import Document, View

CATCHES_UP = (*states.OPEN, states.SHIPPED)
"""The states from which an order can still follow its shipment; from others only a person knows."""


def of_shipment(view: View, findings: Findings, order: Document) -> None:
    """The order and its shipment are equally far; an open order has one, an ended one has none."""
    order_id, status, where = order["order_id"], order["status"], f"order {order['number']}"
    shipment = get_shipment(view, order_id)
    found = shipment["state"] if shipment else "none"
    if found in SENT:
        if status != found:
            mend = Mend.STATUS if status in CATCHES_UP else None
            findings.differ("status", where, found, status, mend, order_id)
    elif status in states.SENT:
        findings.differ("shipment", where, status, found)
    elif status in states.OPEN:
        expected = WAITING if status == states.BACKORDERED else f"{WAITING} or {READY}"
        if found not in expected.split(" or "):
            findings.differ("shipment", where, expected, found, Mend.SHIPMENT, order_id)
    elif shipment:
        findings.differ("shipment", where, "none", found, Mend.SHIPMENT, order_id)
