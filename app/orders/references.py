"""References: the names that another system gave to the orders imported from it."""

from hashlib import sha256

import orjson

from app.kernel import clock
from app.kernel.errors import Conflict
from app.orders.documents import REFERENCES
from app.orders.service import OrderPolicy, place_order
from app.store import Document, Transaction

REFERENCE_RULE = "must be text of 1 to 100 printable characters"


def is_reference(value: object) -> bool:
    """Whether `value` satisfies REFERENCE_RULE."""
    return isinstance(value, str) and 1 <= len(value) <= 100 and value.isprintable()


def import_order(
    tx: Transaction, policy: OrderPolicy, reference: str, request: Document, order_date: str | None
) -> Document | None:
    """Place an order and record its reference, in one transaction; None if it was imported before.

    Raises what place_order does, and Conflict if the reference was imported with another content.
    """
    fingerprint = _fingerprint(request, order_date)
    if known := tx.get(REFERENCES.name, reference):
        # references of older versions have no fingerprint
        if known.get("fingerprint", fingerprint) != fingerprint:
            raise Conflict(f"The reference {reference} was imported before with another content.")
        return None
    detail = f"imported, reference {reference}"
    order = place_order(tx, policy, request, order_date=order_date, detail=detail)
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


def _fingerprint(request: Document, order_date: str | None) -> str:
    """A hash of customer, date and lines; the order of the lines does not count."""
    lines = sorted(orjson.dumps(line, option=orjson.OPT_SORT_KEYS) for line in request["items"])
    head = {name: value for name, value in request.items() if name != "items"}
    content = orjson.dumps([head, order_date], option=orjson.OPT_SORT_KEYS)
    return sha256(b"\n".join([content, *lines])).hexdigest()
