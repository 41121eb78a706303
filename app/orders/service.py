"""The rules of orders: the only code that changes order documents.

Every function works in the caller's transaction and emits its events there, so an order and its
events are one durable record. `by` is the name recorded in the order's history; "" for a change
that nobody requested. Errors are those of app/kernel/errors.py.
"""

import secrets
from dataclasses import dataclass
from decimal import Decimal

from app.billing import queries as billing
from app.events.outbox import emit, timeline
from app.events.types import OrderCancelled, OrderDeleted, OrderPlaced, OrderUpdated, order_data
from app.inventory import queries as inventory
from app.kernel import clock
from app.kernel import order_states as states
from app.kernel.errors import Conflict
from app.kernel.identity import CARRIER, COMMAND
from app.kernel.money import Currency
from app.kernel.payment_methods import APPROVE
from app.kernel.shipping_address import address_of
from app.kernel.versions import Versions, details_version, refuse_stale
from app.orders.addresses import apply_patch
from app.orders.documents import HISTORY, ORDERS
from app.orders.lines import Products, price_lines, refuse_insufficient_stock, skus, total_amount
from app.orders.queries import FIRST_NUMBER, NUMBER_SERIES, find_order
from app.orders.states import remaining_states, with_history, with_status
from app.shipping import queries as shipping
from app.store import Document, Transaction, View

RESERVED = "every line is reserved"
LINK_SECRET_BYTES = 16
"""128 random bits make a customer's link unguessable; order ids and numbers are not."""


@dataclass(frozen=True)
class OrderPolicy:
    """The settings of a shop that decide how orders are placed and changed.

    Products that are not in the catalogue are refused unless `unlisted_products`.
    """

    currency: Currency
    unlisted_products: bool = False
    payment_method: str = APPROVE


def new_link(number: int) -> str:
    """The last part of the address of a customer's order page: the number and a random secret."""
    return f"{number}-{secrets.token_urlsafe(LINK_SECRET_BYTES)}"


def products_of(view: View, request: Document) -> Products:
    """The products that the lines of a request name."""
    return inventory.get_products(view, skus(request["items"]))


def place_order(
    tx: Transaction,
    policy: OrderPolicy,
    request: Document,
    products: Products | None = None,
    *,
    by: str = COMMAND,
    order_date: str | None = None,
    detail: str = "",
) -> Document:
    """Create an order; `order_date` (default: now) and `detail` of its history are for imports.

    `products` are those of the request's lines if they were read just before. A transaction that
    reads them itself can conflict with the deliveries that reserve them.
    Raises Invalid for an unknown product, Conflict when too little is in stock.
    """
    if products is None:
        products = products_of(tx, request)
    unlisted = policy.unlisted_products
    items = price_lines(products, policy.currency, request["items"], unlisted=unlisted)
    refuse_insufficient_stock(products, items)
    order = _new_order(tx, policy, request, items, states.PLACED, detail, by)
    order["order_date"] = order_date or order["order_date"]
    tx.put(ORDERS.name, order)
    emit(tx, OrderPlaced(order["order_id"], {"order": order_data(order)}))
    return order


def record_past_order(
    tx: Transaction,
    policy: OrderPolicy,
    request: Document,
    *,
    order_date: str,
    status: str,
    payment_status: str,
    detail: str,
) -> Document:
    """Create an order that ended in another system.

    It emits no event, so no service acts on it. Its products may be archived, or in no catalogue;
    their tax rates of today are not those of then.
    Raises Invalid for a line without an amount when its product has no price.
    """
    products = {
        sku: product and product | {"archived": False, "tax_rate": None}
        for sku, product in inventory.get_products(tx, skus(request["items"])).items()
    }
    items = price_lines(products, policy.currency, request["items"], unlisted=True)
    order = _new_order(tx, policy, request, items, status, detail, COMMAND)
    order |= {"payment_status": payment_status, "order_date": order_date, "is_past": True}
    tx.put(ORDERS.name, order)
    return order


def change_order(
    tx: Transaction,
    policy: OrderPolicy,
    name: str,
    patch: Document,
    expected: Versions = None,
    *,
    by: str = COMMAND,
) -> Document:
    """Apply a merge patch to customer, address and lines; returns the order after it.

    A patch that changes nothing emits no event. Lines that the order has keep their amounts unless
    others are sent. A version before a change of status or payment alone is not stale. Raises
    NotFound, Stale, Invalid, and Conflict when the order is no longer open or too little is in
    stock.
    """
    order = find_order(tx, name)
    oldest = details_version(order)
    refuse_stale(f"Order {order['number']}", order, expected, oldest=oldest)
    changed = apply_patch(order, patch)
    products = {}
    if "items" in patch:
        products = inventory.get_products(tx, skus(patch["items"]))
        changed["items"] = price_lines(
            products,
            policy.currency,
            patch["items"],
            unlisted=policy.unlisted_products,
            current=order["items"],
        )
        changed["total_amount"] = total_amount(policy.currency, changed["items"])
    if changed == order:
        return order
    _refuse_shipped(tx, order)
    if order["status"] not in states.OPEN:
        raise Conflict(
            f"Order {order['number']} is {order['status']} and can no longer be changed.",
            order_status=order["status"],
        )
    if changed["items"] != order["items"]:
        reserved = inventory.reserved_quantities(tx, order["order_id"])
        refuse_insufficient_stock(products, changed["items"], reserved)
    names = [name for name in order | changed if changed.get(name) != order.get(name)]
    changed["details_version"] = order["version"] + 1
    changed = with_history(tx, changed, "changed", ", ".join(names), by)
    tx.put(ORDERS.name, changed)
    emit(tx, OrderUpdated(changed["order_id"], {"order": order_data(changed)}))
    return changed


def cancel_order(
    tx: Transaction, name: str, reason: str = "", expected: Versions = None, *, by: str = COMMAND
) -> Document:
    """Cancel an open order and keep its document; a cancelled order is returned unchanged.

    Raises NotFound, Stale, and Conflict when the order has left or ended otherwise.
    """
    order = _find_current(tx, name, expected)
    if order["status"] == states.CANCELLED:
        return order
    return _void(tx, order, states.CANCELLED, reason, by)


def delete_order(
    tx: Transaction, name: str, expected: Versions = None, *, by: str = COMMAND
) -> str:
    """Remove an order; returns its id. Raises NotFound, Stale, and Conflict when it has left."""
    order = _find_current(tx, name, expected)
    _refuse_shipped(tx, order)
    tx.delete(ORDERS.name, order["order_id"])
    HISTORY.delete_pages(tx, order["order_id"])
    emit(tx, OrderDeleted(order["order_id"], {"order": order_data(order), "by": by}))
    return str(order["order_id"])


def emit_missing_deletion(tx: Transaction, order_id: str) -> None:
    """Emit order.deleted for an order that a person removed from orders.json by hand.

    The event has each field of the order as the last event with this field had it: those of
    payments lack some.
    """
    order: Document = {}
    for record in timeline(tx, order_id):
        order |= record["event"]["data"].get("order", {})
    if order and tx.get(ORDERS.name, order_id) is None:
        HISTORY.delete_pages(tx, order_id)
        emit(tx, OrderDeleted(order_id, {"order": order}))


def apply_reservation(tx: Transaction, order_id: str) -> None:
    """Set the order's status by its reservation.

    Confirmed when every line is reserved, backordered when every short product may be back-ordered;
    otherwise a new order fails and a changed one is cancelled. An order that changed after
    inventory had checked it stays as it is, because another inventory event will follow.
    """
    order = tx.get(ORDERS.name, order_id)
    if order is None or not shipping.can_be_changed(tx, order):
        return
    short = inventory.shortages(tx, order)
    if short is None:
        return
    detail = ", ".join(
        f"{line['product']}: {line['wanted']} wanted, {line['available']} available"
        for line in short
    )
    if not all(line["backorder"] for line in short):
        status = states.FAILED if order["status"] == states.PLACED else states.CANCELLED
        _void(tx, order, status, f"not in stock ({detail})")
        return
    status = states.BACKORDERED if short else states.CONFIRMED
    if order["status"] != status:
        tx.put(ORDERS.name, with_status(tx, order, status, detail or RESERVED))


def apply_shipment(tx: Transaction, order_id: str) -> None:
    """Bring the order to the state of its shipment, through each state between: confirmed, shipped,
    delivered.

    Goods that left had been reserved, even if the order has not become confirmed yet. A deleted
    order is ignored.
    """
    order, shipment = tx.get(ORDERS.name, order_id), shipping.get_shipment(tx, order_id)
    if order is None or shipment is None or shipment["state"] not in states.SENT:
        return
    tracking = f"{shipment['carrier']}, {shipment['tracking_number']}"
    steps = {
        states.CONFIRMED: (RESERVED, ""),
        states.SHIPPED: (tracking, shipment.get("shipped_by") or ""),
        states.DELIVERED: ("", CARRIER),
    }
    for status in remaining_states(order["status"], shipment["state"]):
        order = with_status(tx, order, status, *steps[status])
    tx.put(ORDERS.name, order)


def apply_invoice(tx: Transaction, order_id: str) -> None:
    """Set the payment status by the invoice; an open order of which nothing is paid fails when the
    payment fails.
    """
    order, invoice = tx.get(ORDERS.name, order_id), billing.get_invoice(tx, order_id)
    if order is None or invoice is None or order["payment_status"] == invoice["payment_status"]:
        return
    status = invoice["payment_status"]
    reason = invoice["payments"][-1].get("reason", "") if invoice["payments"] else ""
    detail = ": ".join(filter(None, (f"{invoice['paid']} {invoice['currency']} paid", reason)))
    changed = with_history(tx, order | {"payment_status": status}, f"payment {status}", detail)
    tx.put(ORDERS.name, changed)
    may_fail = shipping.can_be_changed(tx, order)
    if status == "failed" and not Decimal(invoice["paid"]) and may_fail:
        _void(tx, changed, states.FAILED, f"payment declined: {reason}")


def _new_order(
    tx: Transaction,
    policy: OrderPolicy,
    request: Document,
    items: list[Document],
    status: str,
    detail: str,
    by: str,
) -> Document:
    """A document for a new order of today, with the next number; nothing is stored."""
    now = clock.now()
    number = tx.next_number(NUMBER_SERIES, FIRST_NUMBER, has_gaps=True)
    return {
        "order_id": tx.new_id(),
        "number": number,
        "link": new_link(number),
        "customer_name": request["customer_name"],
        "customer_email": request.get("customer_email"),
        **address_of(request),
        "items": items,
        "currency": policy.currency.code,
        "total_amount": total_amount(policy.currency, items),
        "status": status,
        "payment_method": request.get("payment_method", policy.payment_method),
        "payment_status": "pending",
        "order_date": now,
        "order_update": now,
        "version": 1,
        "history": [{"at": now, "event": status, "detail": detail, "by": by}],
    }


def _find_current(view: View, name: str, expected: Versions) -> Document:
    """The order with this id or number. Raises NotFound, and Stale at another version."""
    order = find_order(view, name)
    refuse_stale(f"Order {order['number']}", order, expected)
    return order


def _void(tx: Transaction, order: Document, status: str, reason: str, by: str = "") -> Document:
    """End the order as cancelled or failed. Raises Conflict when the goods have left."""
    _refuse_shipped(tx, order)
    voided = with_status(tx, order, status, reason, by)
    tx.put(ORDERS.name, voided)
    emit(tx, OrderCancelled(voided["order_id"], {"order": order_data(voided), "reason": reason}))
    return voided


def _refuse_shipped(view: View, order: Document) -> None:
    if order["status"] in states.SENT or shipping.has_left(view, order["order_id"]):
        status = order["status"] if order["status"] in states.SENT else states.SHIPPED
        raise Conflict(
            f"Order {order['number']} is {status}: "
            "it can no longer be changed, cancelled or deleted.",
            order_status=status,
        )
