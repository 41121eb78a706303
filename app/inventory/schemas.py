"""What a product may say."""

from marshmallow import Schema, fields, validate

from app.errors import Invalid, Problem
from app.http.fields import Choice, Count, Flag, Money, Text
from app.http.paging import list_schema
from app.http.validation import Strict, load
from app.money import Currency
from app.store import Document

MAX_QUANTITY = 10**9
STOCK_STATUSES = ("in_stock", "low_stock", "out_of_stock")


def product_request_schema(currency: Currency) -> Schema:
    """A product as it is brought in."""
    return Strict.from_dict(
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


LIST_QUERY = list_schema(
    {"category": Text(longest=100), "stock_status": Choice(*STOCK_STATUSES)},
)


class ProductSchema(Strict):
    """A stored product, as it is answered and as it stands in data/products.json."""

    sku = Text(longest=64, required=True)
    name = Text(longest=200, required=True)
    category = Text(longest=100, shortest=0, required=True)
    price = fields.String(required=True, validate=validate.Regexp(r"^[0-9]{1,12}(\.[0-9]{2,3})?$"))
    quantity = Count(least=0, most=MAX_QUANTITY, required=True)
    reserved = Count(least=0, most=10**15, required=True)
    available = Count(least=-(10**15), most=MAX_QUANTITY, required=True)
    low_stock_threshold = Count(least=0, most=MAX_QUANTITY, required=True)
    backorder = Flag(required=True)
    stock_status = Choice(*STOCK_STATUSES, required=True)
    updated = fields.String(required=True, metadata={"format": "date-time"})
    version = Count(least=1, most=10**12, required=True)


class ProductPageSchema(Strict):
    """A page of products, and the cursor of the next one."""

    products = fields.List(fields.Nested(ProductSchema), required=True)
    next = fields.String(required=True, allow_none=True)


_STORED = ProductSchema()


def check_product(product: Document) -> None:
    """Raise Invalid when a stored product breaks the rules: its shape, and its sum."""
    load(_STORED, product)
    if product["available"] != product["quantity"] - product["reserved"]:
        raise Invalid([Problem("/available", "is not quantity minus reserved")])
