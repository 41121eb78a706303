"""The rules of shipments: the only code that changes shipment documents.

Each order has one shipment, under the order's id (docs/decisions/0020). Until the carrier has it, a
shipment is set to what the order says now, or removed, so a repeated event does no harm; after that
its contents never change.
"""

from dataclasses import dataclass

from app.billing.queries import is_paid_in_full
from app.config import Config
from app.events.outbox import emit
from app.events.types import OrderDelivered, OrderFulfilled, order_data
from app.inventory.queries import has_reserved
from app.kernel import clock
from app.kernel.errors import Conflict
from app.kernel.identity import COMMAND
from app.kernel.order_states import DELIVERED, OPEN, SENT, SHIPPED
from app.kernel.payment_methods import INVOICE
from app.kernel.personal_data import Erase
from app.kernel.quantities import lines_of, quantities
from app.kernel.versions import Versions, refuse_stale
from app.orders import queries as orders
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import find_shipment, is_sent
from app.shipping.states import READY, WAITING
from app.store import Document, Transaction, View


@dataclass(frozen=True)
class ShippingPolicy:
    """The settings of a shop that decide when goods leave.

    With `after_payment` they leave only when nothing is due; with `auto_ship`, for demonstrations,
    as soon as they are ready.
    """

    after_payment: bool = True
    auto_ship: bool = False


def shipping_policy(config: Config) -> ShippingPolicy:
    """The policy of the shop with these settings."""
    return ShippingPolicy(config.ship_when == "paid", config.auto_ship)


def reconcile_shipment(tx: Transaction, order_id: str, policy: ShippingPolicy) -> None:
    """Bring the shipment to what the order says now: ready, waiting, or none."""
    before = tx.get(SHIPMENTS.name, order_id)
    if is_sent(before):
        return
    order = orders.get_order(tx, order_id)
    if order is None or order["status"] not in OPEN:
        tx.delete(SHIPMENTS.name, order_id)
        return
    shipment = _prepare(tx, policy, order, before)
    if shipment["state"] == READY and policy.auto_ship:
        details = {"carrier": "demonstration", "tracking_number": f"DEMO-{order['number']}"}
        _hand_over(tx, shipment, order, shipped_by="daybook", **details)
    elif shipment != before:
        tx.put(SHIPMENTS.name, _next_version(shipment))


def ship(
    tx: Transaction,
    policy: ShippingPolicy,
    order_id: str,
    carrier: str,
    tracking_number: str,
    expected: Versions = None,
    *,
    by: str = COMMAND,
) -> Document:
    """Hand a ready shipment to the carrier; the same hand-over again changes nothing.

    Raises NotFound, Stale, and Conflict when the order has ended, waits for stock or payment, or
    has left with another carrier or tracking number.
    """
    shipment = find_shipment(tx, order_id)
    refuse_stale(f"The shipment of order {shipment['order_number']}", shipment, expected)
    handover = (shipment["carrier"], shipment["tracking_number"])
    if shipment["state"] in SENT and handover == (carrier, tracking_number):
        return shipment
    shipment, order = ready_shipment(tx, policy, order_id)
    return _hand_over(
        tx, shipment, order, carrier=carrier, tracking_number=tracking_number, shipped_by=by
    )


def ready_shipment(view: View, policy: ShippingPolicy, order_id: str) -> tuple[Document, Document]:
    """The shipment that can be handed over now, and its order.

    Raises NotFound, and Conflict when the order has ended, waits for stock or payment, or has left.
    """
    shipment = find_shipment(view, order_id)
    number = shipment["order_number"]
    if shipment["state"] in SENT:
        raise Conflict(
            f"Order {number} has left already, with {shipment['carrier']} under the tracking "
            f"number {shipment['tracking_number']}.",
            shipment_state=shipment["state"],
        )
    order = orders.get_order(view, order_id)
    if order is None or order["status"] not in OPEN:
        status = order["status"] if order else "deleted"
        raise Conflict(f"Order {number} is {status}; it cannot be shipped.", order_status=status)
    shipment = _prepare(view, policy, order, shipment)
    if shipment["state"] != READY:
        missing = " and ".join(shipment["waits_for"])
        raise Conflict(f"Order {number} waits for {missing}; it cannot be shipped yet.")
    return shipment, order


def record_delivery(
    tx: Transaction, order_id: str, tracking_number: str, delivered_at: str | None = None
) -> Document:
    """Record the carrier's report that a shipment has arrived; a repeated one changes nothing.

    Emits order.delivered unless the order has been deleted. Raises NotFound, and Conflict for a
    shipment that has not left, or has another tracking number.
    """
    shipment = find_shipment(tx, order_id)
    number = shipment["order_number"]
    if shipment["state"] not in SENT:
        raise Conflict(f"Order {number} has not been shipped.", shipment_state=shipment["state"])
    if shipment["tracking_number"] != tracking_number:
        raise Conflict(f"Order {number} was shipped under another tracking number.")
    if shipment["state"] == DELIVERED:
        return shipment
    at = delivered_at or clock.now()
    shipment = _next_version(shipment | {"state": DELIVERED, "delivered_at": at})
    tx.put(SHIPMENTS.name, shipment)
    if order := orders.get_order(tx, order_id):
        emit(tx, OrderDelivered(order_id, _event_data(order, shipment)))
    return shipment


def erase_customer(tx: Transaction, order_id: str, erase: Erase) -> None:
    """Erase the customer from the order's shipment."""
    if shipment := tx.get(SHIPMENTS.name, order_id):
        tx.put(SHIPMENTS.name, _next_version(erase(shipment)))


def _prepare(
    view: View, policy: ShippingPolicy, order: Document, before: Document | None
) -> Document:
    """The shipment of the order as it is now, at the version of `before`."""
    waits_for = [] if has_reserved(view, order) else ["stock"]
    must_be_paid = policy.after_payment and order["payment_method"] != INVOICE
    if must_be_paid and not is_paid_in_full(view, order):
        waits_for.append("payment")
    return {
        "shipment_id": order["order_id"],
        "order_number": order["number"],
        "state": WAITING if waits_for else READY,
        "waits_for": waits_for,
        "customer_name": order["customer_name"],
        "lines": [
            {name: line[name] for name in ("product", "name", "quantity")}
            for line in order["items"]
        ],
        **dict.fromkeys(("carrier", "tracking_number", "shipped_at", "delivered_at")),
        "updated": before["updated"] if before else "",
        "version": before["version"] if before else 0,
    }


def _hand_over(tx: Transaction, shipment: Document, order: Document, **details: str) -> Document:
    """Record the hand-over with its carrier, tracking number and caller; emit order.fulfilled."""
    shipment = _next_version(shipment | {"state": SHIPPED, "shipped_at": clock.now()} | details)
    tx.put(SHIPMENTS.name, shipment)
    emit(tx, OrderFulfilled(order["order_id"], _event_data(order, shipment)))
    return shipment


def _event_data(order: Document, shipment: Document) -> Document:
    """The data of the events about a shipment."""
    return {
        "order": order_data(order, status=shipment["state"]),
        "shipment": {
            "shipment_id": shipment["shipment_id"],
            "carrier": shipment["carrier"],
            "tracking_number": shipment["tracking_number"],
            "lines": lines_of(quantities(shipment["lines"])),
        },
    }


def _next_version(shipment: Document) -> Document:
    return shipment | {"updated": clock.now(), "version": shipment["version"] + 1}
