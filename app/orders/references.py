"""References: the names that another system gave to the orders imported from it."""

from app.kernel import clock
from app.orders.documents import REFERENCES
from app.orders.service import OrderPolicy, place_order
from app.store import Document, Transaction, View

REFERENCE_RULE = "must be text of 1 to 100 printable characters"


def is_reference(value: object) -> bool:
    """Whether `value` satisfies REFERENCE_RULE."""
    return isinstance(value, str) and 1 <= len(value) <= 100 and value.isprintable()


def is_imported(view: View, reference: str) -> bool:
    """Whether an order was ever imported under this reference."""
    return view.get(REFERENCES.name, reference) is not None


def import_order(
    tx: Transaction, policy: OrderPolicy, reference: str, request: Document, order_date: str | None
) -> Document:
    """Place an order and record its reference, in one transaction. Raises what place_order does."""
    detail = f"imported, reference {reference}"
    order = place_order(tx, policy, request, order_date=order_date, detail=detail)
    tx.put(
        REFERENCES.name, {"reference": reference, "order_id": order["order_id"], "at": clock.now()}
    )
    return order
