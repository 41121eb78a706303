"""The rules of orders; the only code that changes orders.

Every function works in the caller's transaction and emits its events there, so the order and its
events are one record. Errors are those of app/kernel/errors.py.
"""

import secrets
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from hmac import compare_digest

from app.events.outbox import emit, timeline
from app.events.types import OrderCancelled, OrderDeleted, OrderPlaced, OrderUpdated, snapshot
from app.http.security.identity import CARRIER, COMMAND
from app.kernel import clock
from app.kernel.errors import Conflict, NotFound
from app.kernel.money import Currency
from app.kernel.payment_methods import APPROVE
from app.kernel.versions import refuse_stale
from app.orders import states
from app.orders.lines import listed, priced, refuse_short, total
from app.orders.schemas import check_order
from app.store import Collection, Document, IndexValue, IssuedNumber, Transaction, View

FIRST_NUMBER = 1001
RESERVED = "every line is reserved"
SECRET_BYTES = 16
"""128 bits that nobody guesses in a customer's link; ids tell the time, and numbers are counted."""


def customers_of(order: Document) -> list[IndexValue]:
    """Under what a customer filter finds an order: name and e-mail, whatever their case."""
    names = {order["customer_name"].casefold(), (order["customer_email"] or "").casefold()}
    return list(names - {""})


def products_of(order: Document) -> list[IndexValue]:
    """The skus of an order, each once."""
    return list({line["product"] for line in order["items"]})


ORDERS = Collection(
    name="orders",
    key="order_id",
    sort=lambda order: str(order["order_date"]),
    indexes={
        "number": lambda order: [order["number"]],
        "status": lambda order: [order["status"]],
        "customer": customers_of,
        "product": products_of,
    },
    listed=True,
    check=check_order,
    issued_numbers=lambda order: [IssuedNumber("order", order["order_id"], order["number"])],
)


@dataclass(frozen=True)
class Rules:
    """What differs from shop to shop."""

    currency: Currency
    unlisted_products: bool = False
    payment_method: str = APPROVE


def find_order(view: View, name: str) -> Document:
    """The order with this id or number. Raises NotFound."""
    if name.isascii() and name.isdigit() and len(name) <= 15:
        order = next(iter(view.find(ORDERS.name, {"number": int(name)}, limit=1).documents), None)
    else:
        order = view.get(ORDERS.name, name)
    if order is None:
        raise NotFound(f"There is no order {name[:40]}.")
    return order


def find_by_link(view: View, link: str) -> Document:
    """The order that a customer's link leads to. Raises NotFound, whatever is wrong with it."""
    with suppress(NotFound):
        order = find_order(view, link.partition("-")[0])
        if compare_digest(order.get("link", "").encode(), link.encode()):
            return order
    raise NotFound("There is no order under this link; please check that it is complete.")


def new_link(number: int) -> str:
    """What a customer's link to the order ends with; nobody can guess it."""
    return f"{number}-{secrets.token_urlsafe(SECRET_BYTES)}"


def place_order(
    tx: Transaction,
    rules: Rules,
    request: Document,
    *,
    by: str = COMMAND,
    order_date: str | None = None,
    detail: str = "",
) -> Document:
    """Create an order; `by` is who does it, as everywhere here.

    Raises Invalid for an unknown product, Conflict where the shelf is short.
    """
    products = listed(tx, request["items"])
    items = priced(products, rules.currency, request["items"], unlisted=rules.unlisted_products)
    refuse_short(products, items, held={})
    now = clock.now()
    number = tx.next_number("order", FIRST_NUMBER)
    order = {
        "order_id": tx.new_id(),
        "number": number,
        "link": new_link(number),
        "customer_name": request["customer_name"],
        "customer_email": request.get("customer_email"),
        "items": items,
        "currency": rules.currency.code,
        "total_amount": total(rules.currency, items),
        "status": states.PLACED,
        "payment_method": request.get("payment_method", rules.payment_method),
        "payment_status": "pending",
        "order_date": order_date or now,
        "order_update": now,
        "version": 1,
        "history": [{"at": now, "event": states.PLACED, "detail": detail, "by": by}],
    }
    tx.put(ORDERS.name, order)
    emit(tx, OrderPlaced(order["order_id"], {"order": snapshot(order)}))
    return order


def change_order(
    tx: Transaction,
    rules: Rules,
    name: str,
    patch: Document,
    expected: Container[str] | None = None,
    *,
    by: str = COMMAND,
) -> Document:
    """Apply a merge patch of customer and lines; returns the order as it then is.

    A patch that changes nothing emits nothing. Raises NotFound, Stale, Invalid, and Conflict when
    the order is no longer open or the shelf is short.
    """
    order = find_order(tx, name)
    refuse_stale(f"Order {order['number']}", order, expected)
    changed = order | {name: patch[name] for name in patch if name != "items"}
    products = listed(tx, patch.get("items", []))
    if "items" in patch:
        changed["items"] = priced(
            products, rules.currency, patch["items"], unlisted=rules.unlisted_products
        )
        changed["total_amount"] = total(rules.currency, changed["items"])
    if changed == order:
        return order
    _refuse_shipped(tx, order)
    if order["status"] not in states.OPEN:
        raise Conflict(
            f"Order {order['number']} is {order['status']} and can no longer be changed.",
            order_status=order["status"],
        )
    if changed["items"] != order["items"]:
        refuse_short(products, changed["items"], _held(tx, order["order_id"]))
    what = ", ".join(field for field in order if changed[field] != order[field])
    changed = states.stepped(changed, "changed", what, by)
    tx.put(ORDERS.name, changed)
    emit(tx, OrderUpdated(changed["order_id"], {"order": snapshot(changed)}))
    return changed


def cancel_order(
    tx: Transaction,
    name: str,
    reason: str = "",
    expected: Container[str] | None = None,
    *,
    by: str = COMMAND,
) -> Document:
    """Cancel an open order and keep it; one that is cancelled already is returned as it is.

    Raises NotFound, Stale, and Conflict when it is too late.
    """
    order = find_order(tx, name)
    refuse_stale(f"Order {order['number']}", order, expected)
    if order["status"] == states.CANCELLED:
        return order
    return _end(tx, order, states.CANCELLED, reason, by)


def delete_order(
    tx: Transaction, name: str, expected: Container[str] | None = None, *, by: str = COMMAND
) -> str:
    """Remove an order; returns its id. Raises NotFound, Stale, and Conflict when it has left."""
    order = find_order(tx, name)
    refuse_stale(f"Order {order['number']}", order, expected)
    _refuse_shipped(tx, order)
    tx.delete(ORDERS.name, order["order_id"])
    emit(tx, OrderDeleted(order["order_id"], {"order": snapshot(order), "by": by}))
    return str(order["order_id"])


def tell_deletion(tx: Transaction, order_id: str) -> None:
    """Tell of an order that is gone without a word: a person took it out of orders.json.

    The event carries the order as its last event did.
    """
    told = [record["event"]["data"] for record in timeline(tx, order_id)]
    orders = [data["order"] for data in told if "order" in data]
    if orders and tx.get(ORDERS.name, order_id) is None:
        emit(tx, OrderDeleted(order_id, {"order": orders[-1]}))


def has_left(view: View, order: Document) -> bool:
    """Whether the goods are with the carrier: by the order, or by its shipment a moment earlier."""
    shipment = view.get("shipments", order["order_id"])
    return order["status"] in states.SENT or bool(shipment and shipment["state"] in states.SENT)


def confirm_order(tx: Transaction, order: Document) -> None:
    """Every line is reserved."""
    tx.put(ORDERS.name, states.moved(order, states.CONFIRMED, RESERVED))


def backorder_order(tx: Transaction, order: Document, detail: str) -> None:
    """The order waits for stock."""
    tx.put(ORDERS.name, states.moved(order, states.BACKORDERED, detail))


def fail_order(tx: Transaction, order: Document, detail: str) -> None:
    """There is no stock and no back-order: a new order fails, a changed one is cancelled."""
    ended = states.FAILED if order["status"] == states.PLACED else states.CANCELLED
    _end(tx, order, ended, detail)


def follow_shipment(tx: Transaction, order_id: str) -> None:
    """Bring the order to where its shipment is, step by step: confirmed, shipped, delivered.

    That the goods could leave shows that they were reserved. A deleted order is not missed.
    """
    order, shipment = tx.get(ORDERS.name, order_id), tx.get("shipments", order_id)
    if order is None or shipment is None or shipment["state"] not in states.SENT:
        return
    details = {
        states.CONFIRMED: RESERVED,
        states.SHIPPED: f"{shipment['carrier']}, {shipment['tracking_number']}",
        states.DELIVERED: "",
    }
    whose = {states.SHIPPED: shipment.get("shipped_by") or "", states.DELIVERED: CARRIER}
    for status in states.steps(order["status"], shipment["state"]):
        order = states.moved(order, status, details[status], whose.get(status, ""))
    tx.put(ORDERS.name, order)


def check_payment(tx: Transaction, order_id: str) -> None:
    """Bring the payment status to what billing's invoice says; an order that nobody pays fails."""
    order = tx.get(ORDERS.name, order_id)
    invoice = tx.get("invoices", order_id)
    if order is None or invoice is None or order["payment_status"] == invoice["payment_status"]:
        return
    status = invoice["payment_status"]
    reason = invoice["payments"][-1].get("reason", "") if invoice["payments"] else ""
    detail = ": ".join(filter(None, (f"{invoice['paid']} {invoice['currency']} paid", reason)))
    noted = states.stepped(order | {"payment_status": status}, f"payment {status}", detail)
    tx.put(ORDERS.name, noted)
    is_here = order["status"] in states.OPEN and not has_left(tx, order)
    if status == "failed" and not Decimal(invoice["paid"]) and is_here:
        _end(tx, noted, states.FAILED, f"payment declined: {reason}")


def _end(tx: Transaction, order: Document, status: str, reason: str, by: str = "") -> Document:
    _refuse_shipped(tx, order)
    ended = states.moved(order, status, reason, by)
    tx.put(ORDERS.name, ended)
    emit(tx, OrderCancelled(ended["order_id"], {"order": snapshot(ended), "reason": reason}))
    return ended


def _refuse_shipped(view: View, order: Document) -> None:
    if has_left(view, order):
        status = order["status"] if order["status"] in states.SENT else states.SHIPPED
        raise Conflict(
            f"Order {order['number']} is {status}: "
            "it can no longer be changed, cancelled or deleted.",
            order_status=status,
        )


def _held(tx: Transaction, order_id: str) -> dict[str, int]:
    """What is reserved for the order now."""
    reservation = tx.get("reservations", order_id)
    lines = reservation["lines"] if reservation else []
    return {line["product"]: line["quantity"] for line in lines}
