"""The rules of shipments; the only code that changes them.

One shipment for each order, under the order's id (docs/decisions/0012). Until it is handed to the
carrier it is set to what the order says now, or removed, so doing that again does no harm; from
then on nothing about its contents changes any more.
"""

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from decimal import Decimal

from app.config import Config
from app.events.outbox import emit
from app.events.types import OrderDelivered, OrderFulfilled, snapshot
from app.kernel import clock
from app.kernel.errors import Conflict, NotFound
from app.kernel.identity import COMMAND
from app.kernel.order_states import OPEN
from app.kernel.payment_methods import INVOICE
from app.kernel.quantities import quantities
from app.kernel.versions import refuse_stale
from app.shipping.schemas import check_shipment
from app.shipping.states import DELIVERED, READY, SENT, SHIPPED, WAITING
from app.store import Collection, Document, Transaction, View

SHIPMENTS = Collection(
    name="shipments",
    key="shipment_id",
    indexes={"state": lambda shipment: [shipment["state"]]},
    listed=True,
    check=check_shipment,
)


@dataclass(frozen=True)
class Rules:
    """What differs from shop to shop.

    `after_payment`: goods leave only when nothing is owed; `auto_ship`: they leave as soon as they
    may, for demonstrations.
    """

    after_payment: bool = True
    auto_ship: bool = False


def rules_of(config: Config) -> Rules:
    """The rules that the settings make."""
    return Rules(config.ship_when == "paid", config.auto_ship)


def find_shipment(view: View, shipment_id: str) -> Document:
    """The shipment of the order with this id. Raises NotFound."""
    shipment = view.get(SHIPMENTS.name, shipment_id)
    if shipment is None:
        raise NotFound(f"There is no shipment {shipment_id[:40]}.")
    return shipment


def reconcile(tx: Transaction, order_id: str, rules: Rules) -> None:
    """Bring the shipment to what order and reservation say now: ready, waiting, or none."""
    before = tx.get(SHIPMENTS.name, order_id)
    if before and before["state"] in SENT:
        return
    order = tx.get("orders", order_id)
    if order is None or order["status"] not in OPEN:
        tx.delete(SHIPMENTS.name, order_id)
        return
    shipment = _prepared(tx, rules, order, before)
    if shipment["state"] == READY and rules.auto_ship:
        _hand_over(tx, shipment, order, "demonstration", f"DEMO-{order['number']}", "daybook")
    elif shipment != before:
        tx.put(SHIPMENTS.name, _stepped(shipment))


def ship(
    tx: Transaction,
    rules: Rules,
    shipment_id: str,
    carrier: str,
    tracking_number: str,
    expected: Container[str] | None = None,
    *,
    by: str = COMMAND,
) -> Document:
    """Hand a ready shipment to the carrier; the same again changes nothing.

    Raises NotFound, Stale, and Conflict when the order may not be shipped: it ended, or it waits
    for stock or payment, or the shipment has left otherwise.
    """
    shipment = find_shipment(tx, shipment_id)
    refuse_stale(f"The shipment of order {shipment['order_number']}", shipment, expected)
    number = shipment["order_number"]
    if shipment["state"] in SENT:
        if (shipment["carrier"], shipment["tracking_number"]) == (carrier, tracking_number):
            return shipment
        raise Conflict(
            f"Order {number} has left already, with {shipment['carrier']} under the tracking "
            f"number {shipment['tracking_number']}.",
            shipment_state=shipment["state"],
        )
    order = tx.get("orders", shipment_id)
    if order is None or order["status"] not in OPEN:
        status = order["status"] if order else "deleted"
        raise Conflict(f"Order {number} is {status}; it cannot be shipped.", order_status=status)
    shipment = _prepared(tx, rules, order, shipment)
    if shipment["state"] != READY:
        waits = " and ".join(shipment["waits_for"])
        raise Conflict(f"Order {number} waits for {waits}; it cannot be shipped yet.")
    return _hand_over(tx, shipment, order, carrier, tracking_number, by)


def deliver(
    tx: Transaction, shipment_id: str, tracking_number: str, delivered_at: str | None = None
) -> Document:
    """The carrier says that the shipment has arrived; the same again changes nothing.

    Tells orders, unless the order was deleted meanwhile. Raises NotFound, and Conflict for a
    shipment that has not left, or not under this tracking number.
    """
    shipment = find_shipment(tx, shipment_id)
    number = shipment["order_number"]
    if shipment["state"] not in SENT:
        raise Conflict(f"Order {number} has not been shipped.", shipment_state=shipment["state"])
    if shipment["tracking_number"] != tracking_number:
        raise Conflict(f"Order {number} was shipped under another tracking number.")
    if shipment["state"] == DELIVERED:
        return shipment
    at = delivered_at or clock.now()
    shipment = _stepped(shipment | {"state": DELIVERED, "delivered_at": at})
    tx.put(SHIPMENTS.name, shipment)
    if order := tx.get("orders", shipment_id):
        emit(tx, OrderDelivered(shipment_id, _told(order, shipment)))
    return shipment


def _prepared(view: View, rules: Rules, order: Document, before: Document | None) -> Document:
    """The shipment as the order wants it now; its version is that of `before`."""
    waits_for = [] if _is_reserved(view, order) else ["stock"]
    if rules.after_payment and not _is_paid(view, order):
        waits_for.append("payment")
    shipment = before or {
        "shipment_id": order["order_id"],
        "order_number": order["number"],
        "state": WAITING,
        "waits_for": [],
        "customer_name": "",
        "lines": [],
        "carrier": None,
        "tracking_number": None,
        "shipped_at": None,
        "delivered_at": None,
        "updated": "",
        "version": 0,
    }
    return shipment | {
        "state": WAITING if waits_for else READY,
        "waits_for": waits_for,
        "customer_name": order["customer_name"],
        "lines": [
            {name: line[name] for name in ("product", "name", "quantity")}
            for line in order["items"]
        ],
    }


def _is_reserved(view: View, order: Document) -> bool:
    """Whether the order holds exactly its lines, of all products that stock is kept of.

    The reservation itself is asked, not the last event about it: an event may be overtaken by a
    change of the order, and then the goods are held for another order already.
    """
    reservation = view.get("reservations", order["order_id"])
    if reservation is None:
        return False
    wanted = quantities(order["items"])
    return quantities(reservation["lines"]) == Counter(
        {sku: n for sku, n in wanted.items() if view.get("products", sku)}
    )


def _is_paid(view: View, order: Document) -> bool:
    """Whether billing has taken the whole total; what is paid by invoice need not be paid yet."""
    if order["payment_method"] == INVOICE:
        return True
    invoice = view.get("invoices", order["order_id"])
    return invoice is not None and Decimal(invoice["paid"]) >= Decimal(order["total_amount"])


def _hand_over(
    tx: Transaction,
    shipment: Document,
    order: Document,
    carrier: str,
    tracking_number: str,
    by: str,
) -> Document:
    shipment = _stepped(
        shipment
        | {
            "state": SHIPPED,
            "carrier": carrier,
            "tracking_number": tracking_number,
            "shipped_at": clock.now(),
            "shipped_by": by,
        }
    )
    tx.put(SHIPMENTS.name, shipment)
    emit(tx, OrderFulfilled(order["order_id"], _told(order, shipment)))
    return shipment


def _told(order: Document, shipment: Document) -> Document:
    """What the events about a shipment carry."""
    return {
        "order": snapshot(order),
        "shipment": {
            "shipment_id": shipment["shipment_id"],
            "carrier": shipment["carrier"],
            "tracking_number": shipment["tracking_number"],
            "lines": [
                {"product": sku, "quantity": n} for sku, n in quantities(shipment["lines"]).items()
            ],
        },
    }


def _stepped(shipment: Document) -> Document:
    return shipment | {"updated": clock.now(), "version": shipment["version"] + 1}
