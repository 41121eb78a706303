"""What a product may say."""

from marshmallow import Schema, fields, validate

from app.errors import Invalid, Problem
from app.http.fields import Count, Flag, Money, Text
from app.http.validation import load
from app.money import Currency
from app.store import Document

MAX_QUANTITY = 10**9


def product_request_schema(currency: Currency) -> Schema:
    """A product as it is brought in."""
    return Schema.from_dict(
        {
            "sku": Text(longest=64, required=True),
            "name": Text(longest=200, required=True),
            "price": Money(currency, required=True),
            "quantity": Count(least=0, most=MAX_QUANTITY),
            "category": Text(longest=100, shortest=0),
            "low_stock_threshold": Count(least=0, most=MAX_QUANTITY),
            "backorder": Flag(),
        },
        name="ProductRequest",
    )()


class ProductSchema(Schema):
    """A stored product, as it is answered and as it stands in data/products.json."""

    sku = fields.String(required=True)
    name = fields.String(required=True)
    category = fields.String(required=True)
    price = fields.String(required=True)
    quantity = Count(least=0, most=MAX_QUANTITY, required=True)
    reserved = Count(least=0, most=10**15, required=True)
    available = Count(least=-(10**9), most=10**9, required=True)
    low_stock_threshold = Count(least=0, most=MAX_QUANTITY, required=True)
    backorder = Flag(required=True)
    stock_status = fields.String(
        required=True, validate=validate.OneOf(("in_stock", "low_stock", "out_of_stock"))
    )
    updated = fields.String(required=True)
    version = Count(least=1, most=10**12, required=True)


_STORED = ProductSchema()


def check_product(product: Document) -> None:
    """Raise Invalid when a stored product breaks the rules: its shape, and its sum."""
    load(_STORED, product)
    if product["available"] != product["quantity"] - product["reserved"]:
        raise Invalid([Problem("/available", "is not quantity minus reserved")])
