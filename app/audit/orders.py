"""Stock, reservations, invoices, shipments and statuses, compared with what the orders say.

They follow from an order once its deliveries to the services are through. An order
with such a delivery still open (pending, or dead and in failure.json) is on its way; where a person
discarded the delivery, its effect is given up. Neither is a difference.
"""

from collections import Counter

from app.audit.findings import Findings, Mend, document_of
from app.audit.invoices import of_invoice
from app.audit.progress import are_through, deliveries_of
from app.audit.shipments import of_shipment
from app.audit.stock import goods
from app.inventory.documents import RESERVATIONS
from app.inventory.queries import stocked_quantities
from app.kernel import order_states as states
from app.kernel.errors import Invalid
from app.kernel.order_states import SENT
from app.kernel.quantities import quantities
from app.orders.documents import ORDERS
from app.shipping.documents import SHIPMENTS
from app.store import Document, View


def of_orders(view: View, findings: Findings) -> None:
    """Each order with its reservation and its invoice; and that no number stands twice."""
    numbers: Counter[int] = Counter()
    for order_id in view.keys(ORDERS.name):
        order = document_of(view, ORDERS.name, order_id)
        findings.orders += 1
        numbers[order["number"]] += 1
        _of_order(view, findings, order)
    for number, times in numbers.items():
        if times > 1:
            findings.differ("number", f"order {number}", "one order", f"{times} orders")


def of_shipments(view: View, findings: Findings) -> None:
    """No shipment waits to be packed whose order is gone."""
    for order_id in view.keys(SHIPMENTS.name):
        shipment = document_of(view, SHIPMENTS.name, order_id)
        if (
            shipment["state"] not in SENT
            and view.get(ORDERS.name, order_id) is None
            and are_through(findings, order_id, deliveries_of(view, order_id), "shipping")
        ):
            where = f"order {shipment['order_number']}, which is gone"
            findings.differ("shipment", where, "none", shipment["state"], Mend.SHIPMENT, order_id)


def _of_order(view: View, findings: Findings, order: Document) -> None:
    order_id = order["order_id"]
    try:
        ORDERS.check(order)
    except Invalid as error:
        findings.differ("document", f"order {order_id}", "a sound order", error)
        return
    deliveries = deliveries_of(view, order_id)
    _of_status(findings, order)
    if are_through(findings, order_id, deliveries, "inventory", "orders"):
        _of_reservation(view, findings, order)
    of_invoice(view, findings, order, deliveries)
    if are_through(findings, order_id, deliveries, "inventory", "orders", "shipping"):
        of_shipment(view, findings, order)


def _of_status(findings: Findings, order: Document) -> None:
    stated = [step["event"] for step in order["history"] if step["event"] in states.STATUSES]
    if stated and stated[-1] != order["status"]:
        where = f"order {order['number']}"
        findings.differ("status", where, f"{stated[-1]}, by its history", order["status"])


def _of_reservation(view: View, findings: Findings, order: Document) -> None:
    order_id, status, where = order["order_id"], order["status"], f"order {order['number']}"
    if status == states.PLACED:
        expected = f"{states.CONFIRMED}, {states.BACKORDERED} or {states.FAILED}"
        findings.differ("status", where, expected, status, Mend.RESERVATION, order_id)
        return
    holds = status in states.OPEN and status != states.BACKORDERED
    wanted = stocked_quantities(view, order) if holds else Counter[str]()
    reservation = view.get(RESERVATIONS.name, order_id) or {"lines": []}
    held = quantities(reservation["lines"])
    if held != wanted:
        findings.differ(
            "reservation", where, goods(wanted), goods(held), Mend.RESERVATION, order_id
        )
