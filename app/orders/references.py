"""References: the names that another system gave to the orders imported from it.

An order from the export of a shop, this one or another, has its id as reference.
"""

from collections.abc import Container, Iterable
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import orjson

from app.events.outbox import timeline
from app.kernel import clock
from app.kernel.errors import Conflict
from app.kernel.personal_data import Erase
from app.orders.documents import ORDERS, REFERENCES
from app.orders.service import OrderPolicy, place_order, record_past_order
from app.store import Document, Store, Transaction
from app.store.matching import scan_all


class PastStates(NamedTuple):
    """The states in which an order ended in another system."""

    status: str
    payment_status: str


_REFERENCE = ", reference "
"""Stands before the reference in the history of an imported order."""

REFERENCE_RULE = "must be text of 1 to 100 printable characters"


def is_reference(value: object) -> bool:
    """Whether `value` satisfies REFERENCE_RULE."""
    return isinstance(value, str) and 1 <= len(value) <= 100 and value.isprintable()


def is_order_id(value: str) -> bool:
    """Whether `value` has the form of an order's id."""
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False


def is_own_order(tx: Transaction, order_id: str, request: Document, order_date: str | None) -> bool:
    """Whether this shop placed the order, perhaps deleted since.

    Raises Conflict if it has the order with another content.
    """
    order = tx.get(ORDERS.name, order_id)
    if order is None:
        return any(timeline(tx, order_id))
    own = {
        "customer_name": order["customer_name"],
        "items": [
            {name: line[name] for name in ("product", "quantity", "amount")}
            for line in order["items"]
        ],
    }
    if order["customer_email"]:
        own["customer_email"] = order["customer_email"]
    if _fingerprint(request, order_date) != _fingerprint(own, order["order_date"]):
        raise Conflict(
            f"Order {order['number']} has other values in this shop, and an import changes no "
            "order."
        )
    return True


def import_order(
    tx: Transaction,
    policy: OrderPolicy,
    reference: str,
    request: Document,
    order_date: str | None,
    past: PastStates | None = None,
) -> Document | None:
    """Add an order and record its reference, in one transaction; None if it was imported before.

    The order is placed, or with `past` recorded as one that has ended; that needs an `order_date`.
    Raises what place_order does, and Conflict if the reference was imported with another content.
    """
    fingerprint = _fingerprint(request | (past._asdict() if past else {}), order_date)
    if known := tx.get(REFERENCES.name, reference):
        # references of older versions have no fingerprint
        if known.get("fingerprint", fingerprint) != fingerprint:
            raise Conflict(f"The reference {reference} was imported before with other values.")
        return None
    if past is None or order_date is None:
        detail = f"imported{_REFERENCE}{reference}"
        order = place_order(tx, policy, request, order_date=order_date, detail=detail)
    else:
        detail = f"imported as history{_REFERENCE}{reference}"
        order = record_past_order(
            tx, policy, request, order_date=order_date, detail=detail, **past._asdict()
        )
    tx.put(
        REFERENCES.name,
        {
            "reference": reference,
            "order_id": order["order_id"],
            "at": clock.now(),
            "fingerprint": fingerprint,
        },
    )
    return order


def find_references(store: Store, order_ids: Container[str]) -> dict[str, list[str]]:
    """The references of these orders, by order id; reads all references, batch by batch."""
    found: dict[str, list[str]] = {}
    for each in scan_all(store, REFERENCES):
        if each["order_id"] in order_ids:
            found.setdefault(each["order_id"], []).append(each["reference"])
    return found


def reference_of(order: Document) -> str | None:
    """The reference of an imported order, by its whole history; None for other orders."""
    _, found, reference = order["history"][0]["detail"].partition(_REFERENCE)
    return reference if found else None


def erase_customer(tx: Transaction, references: Iterable[str], erase: Erase) -> None:
    """Erase the customer from references: the fingerprint, and a reference that has the name.

    The others still prevent that their orders are imported again.
    """
    for reference in references:
        known = tx.get(REFERENCES.name, reference) or {}
        known.pop("fingerprint", None)
        if erase({"note": reference}) != {"note": reference}:
            tx.delete(REFERENCES.name, reference)
        elif known:
            tx.put(REFERENCES.name, known)


def _fingerprint(request: Document, order_date: str | None) -> str:
    """A hash of customer, date and lines; the order of the lines does not count."""
    lines = sorted(orjson.dumps(line, option=orjson.OPT_SORT_KEYS) for line in request["items"])
    head = {name: value for name, value in request.items() if name != "items"}
    content = orjson.dumps([head, order_date], option=orjson.OPT_SORT_KEYS)
    return sha256(b"\n".join([content, *lines])).hexdigest()
