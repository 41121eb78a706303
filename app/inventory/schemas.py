"""The schemas of products and the stock ledger: requests, responses and stored documents."""

import re
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from app.kernel.errors import Invalid, Problem
from app.kernel.money import Currency
from app.kernel.tax_rate import TAX_RATE_PATTERN
from app.kernel.versions import check_details_version
from app.schema.fields import Choice, Flag, Integer, Money, TaxRate, Text
from app.schema.paging import PageSchema, list_schema
from app.schema.validation import StrictSchema, load
from app.store import Document

MAX_QUANTITY = 10**9
STOCK_STATUSES = IN_STOCK, LOW_STOCK, OUT_OF_STOCK = "in_stock", "low_stock", "out_of_stock"


_INVISIBLE = r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
_INVISIBLE += r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
"""Default_Ignorable_Code_Point (Unicode, chapter 5.21) of the basic plane: they draw nothing."""


class Sku(Text):
    """A product's key: any text that the paths of the API can contain, and that can be seen.

    Clients resolve the segments . and .. of a path (RFC 3986, 5.2.4), and would reach another sku.
    """

    def __init__(self, **options: Any) -> None:
        pattern = r"^(?!\s*/)(?!.*/stock[\s/]*$)(?!(.*/)?\s*\.\.?\s*(/|$))"
        pattern += rf"(?!.*[{_INVISIBLE}])" + Text(max_length=64).metadata["pattern"][1:]
        examples = {"pattern": pattern, "examples": ["pen-blue"]}
        super().__init__(max_length=64, metadata=examples, **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        sku = super()._deserialize(value, *args, **kwargs)
        if sku.startswith("/") or re.search(r"/stock[\s/]*$", sku):
            raise ValidationError("must not begin with / or end in /stock")
        if {".", ".."} & {segment.strip() for segment in sku.split("/")}:
            raise ValidationError("must not have . or .. between slashes")
        if re.search(f"[{_INVISIBLE}]", sku):
            raise ValidationError("must not have invisible characters, such as a zero-width space")
        return sku


@cache
def product_request_schema(currency: Currency) -> Schema:
    """POST /product, or a row of a file."""
    settable = {"sku": Sku(required=True)} | _settable(currency, required=True)
    quantity = Integer(minimum=0, maximum=MAX_QUANTITY, examples=[40])
    return StrictSchema.from_dict(settable | {"quantity": quantity}, name="ProductRequest")()


@cache
def product_change_schema(currency: Currency) -> Schema:
    """PATCH /product/{sku}: any of the settable fields; the stock has its own resource."""
    archived = Flag(metadata={"description": "false brings an archived product back"})
    settable = _settable(currency, required=False) | {"archived": archived}
    return StrictSchema.from_dict(settable, name="ProductChange")()


class StockChangeSchema(StrictSchema):
    """POST /product/{sku}/stock: the number of pieces added, or removed when negative."""

    change = Integer(minimum=-MAX_QUANTITY, maximum=MAX_QUANTITY, required=True, examples=[12])
    reason = Text(max_length=200, required=True, examples=["delivery"])


class StockCountSchema(StrictSchema):
    """POST /product/{sku}/stock: the number of pieces counted in a stock-take."""

    count = Integer(minimum=0, maximum=MAX_QUANTITY, required=True, examples=[40])
    reason = Text(max_length=200, examples=["stock-take"])


LIST_QUERY = list_schema(
    {
        "category": Text(max_length=100),
        "stock_status": Choice(*STOCK_STATUSES),
        "q": Text(max_length=200, description="words in name or sku, whatever case and accents"),
        "archived": Choice("true", "false", load_default="false"),
    }
)
LEDGER_QUERY = list_schema({})


class ProductSchema(StrictSchema):
    """A product, as in responses and in products.json."""

    sku = Text(max_length=64, required=True)
    name = Text(max_length=200, required=True)
    category = Text(max_length=100, min_length=0, required=True)
    price = fields.String(required=True, validate=validate.Regexp(r"^[0-9]{1,12}(\.[0-9]{2,3})?$"))
    tax_rate = fields.String(
        validate=validate.Regexp(TAX_RATE_PATTERN),
        metadata={"description": "percent; the price includes this tax; absent: none is stated"},
    )
    quantity = Integer(minimum=0, maximum=MAX_QUANTITY, required=True)
    reserved = Integer(minimum=0, maximum=10**15, required=True)
    available = Integer(minimum=-(10**15), maximum=MAX_QUANTITY, required=True)
    low_stock_threshold = Integer(minimum=0, maximum=MAX_QUANTITY, required=True)
    backorder = Flag(required=True)
    stock_status = Choice(*STOCK_STATUSES, required=True)
    archived = Flag(required=True)
    picture = fields.String(
        validate=validate.Regexp(r"^([0-9a-f]{64}\.webp)?$"),
        metadata={"description": "its picture is at /pictures/{picture}; empty or absent: none"},
    )
    changed_by = fields.String(
        metadata={"description": "the caller who last changed anything but the stock"}
    )
    updated = fields.String(required=True, metadata={"format": "date-time"})
    version = Integer(minimum=1, maximum=10**12, required=True)
    details_version = Integer(
        minimum=1,
        maximum=10**12,
        description="the version of the last change of anything but the stock; absent: `version`",
    )


class ProductPageSchema(PageSchema):
    """A page of products, and the cursor of the next one."""

    products = fields.List(fields.Nested(ProductSchema), required=True)


class StockLineSchema(StrictSchema):
    """A line of the stock ledger: one change of a quantity on hand."""

    id = fields.String(required=True)
    sku = Text(max_length=64, required=True)
    line = Integer(minimum=1, maximum=10**12, required=True)
    at = fields.String(required=True, metadata={"format": "date-time"})
    who = fields.String(required=True)
    reason = Text(max_length=200, required=True)
    order_id = fields.String(required=True, allow_none=True)
    change = Integer(minimum=-MAX_QUANTITY, maximum=MAX_QUANTITY, required=True)
    before = Integer(minimum=0, maximum=MAX_QUANTITY, required=True)
    after = Integer(minimum=0, maximum=MAX_QUANTITY, required=True)


class StockPageSchema(PageSchema):
    """A page of a product's stock ledger, newest line first, and the cursor of the next one."""

    stock = fields.List(fields.Nested(StockLineSchema), required=True)


_STORED, _STORED_LINE = ProductSchema(), StockLineSchema()


def check_ledger_line(line: Document) -> None:
    """Raise Invalid when a ledger line has a wrong shape or a wrong sum."""
    load(_STORED_LINE, line)
    if line["after"] != line["before"] + line["change"]:
        raise Invalid([Problem("/after", "is not before plus change")])


def check_product(product: Document) -> None:
    """Raise Invalid when a stored product has a wrong shape or a wrong sum."""
    load(_STORED, product)
    if product["available"] != product["quantity"] - product["reserved"]:
        raise Invalid([Problem("/available", "is not quantity minus reserved")])
    check_details_version(product)


def _settable(currency: Currency, *, required: bool) -> dict[str, fields.Field[Any]]:
    """The fields that a caller sets; name and price are required if `required`."""
    return {
        "name": Text(max_length=200, required=required, examples=["Ballpoint, blue"]),
        "price": Money(currency, required=required, examples=["1.20"]),
        "tax_rate": TaxRate(
            allow_none=True,
            description="percent, 0 to 100; the price includes this tax",
            examples=["19"],
        ),
        "category": Text(max_length=100, min_length=0, examples=["pens"]),
        "low_stock_threshold": Integer(minimum=0, maximum=MAX_QUANTITY, examples=[5]),
        "backorder": Flag(metadata={"description": "true: sell when out of stock, and wait"}),
    }
