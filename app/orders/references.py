"""The references under which another system knows the orders that were imported from it."""

from marshmallow import fields

from app.kernel import clock
from app.orders.service import Rules, place_order
from app.schema.validation import stored_document_check
from app.store import Collection, Document, Transaction, View

REFERENCES = Collection(
    name="references",
    key="reference",
    check=stored_document_check(
        order_id=fields.String(required=True), at=fields.String(required=True)
    ),
)
"""Each with the order it became; kept when that is deleted, so that it is not imported again."""

REFERENCE_RULE = "must be text of 1 to 100 printable characters"


def is_reference(value: object) -> bool:
    """Whether `value` can be a reference, by REFERENCE_RULE."""
    return isinstance(value, str) and 1 <= len(value) <= 100 and value.isprintable()


def is_imported(view: View, reference: str) -> bool:
    """Whether an order was ever imported under this reference."""
    return view.get(REFERENCES.name, reference) is not None


def import_order(
    tx: Transaction, rules: Rules, reference: str, request: Document, order_date: str | None
) -> Document:
    """Place an order and remember its reference in one record. Raises what place_order does."""
    detail = f"imported, reference {reference}"
    order = place_order(tx, rules, request, order_date=order_date, detail=detail)
    tx.put(
        REFERENCES.name,
        {"reference": reference, "order_id": order["order_id"], "at": clock.now()},
    )
    return order
