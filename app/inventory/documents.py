"""The collections that inventory owns; only inventory changes their documents."""

from collections.abc import Sequence

from marshmallow import fields

from app.inventory.schemas import check_ledger_line, check_product
from app.kernel.text_search import index_terms
from app.schema.fields import Integer
from app.schema.validation import StrictSchema, stored_document_check
from app.store import Collection, Document, IndexValue


def backordered_skus(reservation: Document) -> Sequence[IndexValue]:
    """The skus that a waiting order needs, all of them, since it gets every line or none."""
    short = reservation.get("short", [])
    if not short or not all(each["backorder"] for each in short):
        return []
    return [line["product"] for line in reservation["wanted"]]


def _unless_archived(product: Document, value: str) -> list[str]:
    return [value] if value and not product["archived"] else []


def _text_terms(product: Document) -> Sequence[IndexValue]:
    """The terms of the texts that searches read, unless the product is archived."""
    if product["archived"]:
        return ()
    return index_terms(product["name"], product["sku"], product["category"])


class _ReservedLineSchema(StrictSchema):
    """One line of a reservation."""

    product = fields.String(required=True)
    quantity = Integer(minimum=1, maximum=10**12, required=True)


PRODUCTS = Collection(
    name="products",
    key="sku",
    indexes={
        # archived products are in these two indexes and in no other
        "picture": lambda product: list(filter(None, [product.get("picture")])),
        "archived": lambda product: [int(product["archived"])],
        "category": lambda product: _unless_archived(product, product["category"]),
        "stock_status": lambda product: _unless_archived(product, product["stock_status"]),
        "text": _text_terms,
    },
    listed=True,
    check=check_product,
)

LEDGER = Collection(
    name="stock_ledger",
    key="id",
    sort=lambda line: f"{line['line']:012d}",
    indexes={"sku": lambda line: [line["sku"]]},
    check=check_ledger_line,
)
"""One line for each change of a quantity on hand, numbered from 1 for each sku; never removed."""

RESERVATIONS = Collection(
    name="reservations",
    key="order_id",
    indexes={
        "waiting_for": backordered_skus,
        "product": lambda reservation: list({line["product"] for line in reservation["lines"]}),
    },
    check=stored_document_check(
        version=Integer(minimum=0, maximum=10**12, required=True),
        lines=fields.List(fields.Nested(_ReservedLineSchema), required=True),
    ),
)
"""One reservation for each order, in the order of order ids, which is by age.

`version` is the order's version that inventory checked. `lines` is what is held: all lines of the
order, or none. `wanted` has the order's lines where they differ from `lines`, and `short` the
products of which too little was available.
"""
