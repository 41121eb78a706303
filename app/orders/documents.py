"""The collections that orders owns; only orders changes their documents."""

from marshmallow import fields

from app.kernel.text_search import fold
from app.orders.schemas import HistorySchema, check_order
from app.schema.validation import stored_document_check
from app.store import Collection, Document, IndexValue, IssuedNumber
from app.store.long_list import LongList


def _customer_values(order: Document) -> list[IndexValue]:
    """The index values of the `customer` filter: name and e-mail address, folded."""
    values = {fold(order["customer_name"]), fold(order["customer_email"] or "")}
    return list(values - {""})


ORDERS = Collection(
    name="orders",
    key="order_id",
    sort=lambda order: str(order["order_date"]),
    indexes={
        "number": lambda order: [order["number"]],
        "status": lambda order: [order["status"]],
        "customer": _customer_values,
        "product": lambda order: list({line["product"] for line in order["items"]}),
    },
    listed=True,
    check=check_order,
    issued_numbers=lambda order: [IssuedNumber("order", order["order_id"], order["number"])],
)

ORDER_HISTORY = Collection(
    name="order_history",
    key="page",
    check=stored_document_check(entries=fields.List(fields.Nested(HistorySchema), required=True)),
)

HISTORY = LongList(ORDERS.key, "history", ORDER_HISTORY)
"""The history of an order; its earlier lines are in ORDER_HISTORY."""

REFERENCES = Collection(
    name="references",
    key="reference",
    check=stored_document_check(
        order_id=fields.String(required=True),
        at=fields.String(required=True),
        fingerprint=fields.String(),
    ),
)
"""Reference in another system → the order imported from it. A reference outlives its order, so that
a deleted order is not imported again. `fingerprint` is that of the content that was imported."""

SHOP = Collection(
    name="shop", key="name", check=stored_document_check(value=fields.String(required=True))
)
"""Settings of the shop that never change after the first start."""
