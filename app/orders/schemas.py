"""The schemas of order requests, responses and stored orders."""

from datetime import tzinfo
from decimal import Decimal
from functools import cache
from typing import Any

from marshmallow import Schema, fields, validate

from app.kernel import order_states
from app.kernel.errors import Invalid, Problem
from app.kernel.money import Currency
from app.kernel.payment_methods import APPROVE, METHODS
from app.kernel.shipping_address import ADDRESS
from app.kernel.tax_rate import TAX_RATE_PATTERN
from app.kernel.versions import check_details_version
from app.orders.addresses import (
    ShippingAddressChangeSchema,
    ShippingAddressRequestSchema,
    ShippingAddressSchema,
)
from app.schema.fields import (
    Choice,
    Choices,
    EmailAddress,
    Flag,
    Integer,
    Items,
    Money,
    Text,
    Timestamp,
)
from app.schema.paging import PageSchema, list_schema
from app.schema.validation import StrictSchema, load
from app.store import Document
from app.store.long_list import PAGE_LENGTH

MAX_LINES = 2000
MAX_QUANTITY = 1_000_000
_MAX_NUMBER = 10**12

_PAYMENT_METHODS = "; ".join(f"{word}: {meaning}" for word, meaning in METHODS.items())
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
_LINK = r"^[0-9]{1,12}-[A-Za-z0-9_-]{22}$"
_AMOUNT = r"^[0-9]{1,24}(\.[0-9]{1,3})?$"


@cache
def request_schema(currency: Currency) -> Schema:
    """POST /order."""
    settable = _settable_fields(currency, ShippingAddressRequestSchema, required=True)
    return StrictSchema.from_dict(settable, name="OrderRequest")()


@cache
def change_schema(currency: Currency) -> Schema:
    """PATCH /order/{id}: any of the request's fields, and any part of the address."""
    settable = _settable_fields(currency, ShippingAddressChangeSchema, required=False)
    return StrictSchema.from_dict(settable, name="OrderChange")()


@cache
def edit_schema(currency: Currency) -> Schema:
    """The form that edits an order: any of the request's fields, and the address as a whole."""
    settable = _settable_fields(currency, ShippingAddressRequestSchema, required=False)
    return StrictSchema.from_dict(settable, name="OrderEdit")()


class CancelPatchSchema(StrictSchema):
    """PATCH /order/{id}: the status alone, to cancel."""

    status = Choice(order_states.CANCELLED, required=True)
    reason = Text(max_length=500, examples=["ordered twice"])


class CancellationSchema(StrictSchema):
    """POST /order/{id}/cancel."""

    reason = Text(max_length=500, examples=["ordered twice"])


@cache
def list_query(zone: tzinfo) -> Schema:
    """GET /order; its days are those of `zone`."""
    until = "order_date up to this day or moment"
    return list_schema(
        {
            "status": Choices(*order_states.STATUSES, description="one or more, commas between"),
            "q": Text(max_length=200, description="words in the customer's name or e-mail"),
            "customer": Text(
                max_length=254, description="name or e-mail, whatever case and accents"
            ),
            "product": Text(max_length=64, description="a sku"),
            "from": Timestamp(zone, description="order_date from this day or moment on"),
            "to": Timestamp(zone, end_of_day=True, description=until),
            "sort": Choice("-date", "date", load_default="-date"),
        }
    )


class HistorySchema(StrictSchema):
    """One change of an order."""

    at = fields.String(required=True, metadata={"format": "date-time"})
    event = fields.String(required=True)
    detail = fields.String(required=True)
    by = fields.String(
        metadata={"description": "the key, user or customer that requested it, if any"}
    )


def _matching(pattern: str, **metadata: str) -> fields.String:
    """A stored text that matches a regular expression."""
    return fields.String(required=True, validate=validate.Regexp(pattern), metadata=metadata)


class OrderLineSchema(StrictSchema):
    """One line of a stored order."""

    product = Text(max_length=64, required=True)
    name = Text(max_length=200, required=True)
    quantity = Integer(minimum=1, maximum=MAX_QUANTITY, required=True)
    amount = _matching(_AMOUNT)
    line_total = _matching(_AMOUNT)
    tax_rate = fields.String(
        validate=validate.Regexp(TAX_RATE_PATTERN),
        metadata={"description": "the product's when it was ordered, in percent; in the amount"},
    )


class OrderSummarySchema(StrictSchema):
    """An order, as in lists: without its history."""

    order_id = _matching(_UUID, format="uuid")
    number = Integer(minimum=1, maximum=_MAX_NUMBER, required=True)
    link = fields.String(
        validate=validate.Regexp(_LINK),
        metadata={"description": "/orders/{link} is the customer's own page of the order"},
    )
    customer_name = Text(max_length=200, required=True)
    # older versions accepted addresses that EmailAddress refuses
    customer_email = Text(max_length=254, required=True, allow_none=True)
    shipping_address = fields.Nested(ShippingAddressSchema)
    items = Items(fields.Nested(OrderLineSchema), min_length=1, max_length=MAX_LINES, required=True)
    currency = _matching("^[A-Z]{3}$")
    total_amount = _matching(_AMOUNT)
    status = Choice(*order_states.STATUSES, required=True)
    payment_method = Choice(*METHODS, required=True)
    payment_status = Choice(*order_states.PAYMENT_STATUSES, required=True)
    order_date = _matching(_TIMESTAMP, format="date-time")
    order_update = _matching(_TIMESTAMP, format="date-time")
    version = Integer(minimum=1, maximum=_MAX_NUMBER, required=True)
    details_version = Integer(
        minimum=1,
        maximum=_MAX_NUMBER,
        description="the version of the last edit of customer, lines or payment; absent: `version`",
    )
    is_past = Flag(
        metadata={"description": "imported as it ended elsewhere: no invoice, shipment or stock"}
    )


class OrderSchema(OrderSummarySchema):
    """An order with its history."""

    history = fields.List(
        fields.Nested(HistorySchema),
        required=True,
        metadata={
            "description": "oldest first; all of it in GET /order/{order_id}, "
            f"at least the newest {PAGE_LENGTH} entries in the response to a change"
        },
    )


class StoredOrderSchema(OrderSchema):
    """An order as in orders.json: with the newest lines of its history."""

    earlier_pages = Integer(minimum=1, maximum=_MAX_NUMBER)


class OrderPageSchema(PageSchema):
    """A page of orders, and the cursor of the next one."""

    orders = fields.List(fields.Nested(OrderSummarySchema), required=True)


class DeletedSchema(StrictSchema):
    """The order is deleted."""

    order_id = fields.String(required=True, metadata={"format": "uuid"})
    deleted = fields.Boolean(required=True)


_STORED = StoredOrderSchema()


def check_order(order: Document) -> None:
    """Raise Invalid when a stored order has a wrong shape or a wrong sum."""
    load(_STORED, order)
    check_details_version(order)
    try:
        currency = Currency(order["currency"])
    except ValueError as error:
        raise Invalid([Problem("/currency", str(error))]) from None
    try:
        total = sum((_checked_line(currency, line) for line in order["items"]), Decimal())
        if order["total_amount"] != currency.format(total):
            raise ValueError(f"is not the sum of the lines, {currency.format(total)}")
    except ValueError as error:
        raise Invalid([Problem("/total_amount", str(error))]) from None


def _checked_line(currency: Currency, line: Document) -> Decimal:
    total: Decimal = line["quantity"] * currency.parse(line["amount"])
    if line["line_total"] != currency.format(total):
        raise ValueError(f"line_total of {line['product']} is not {currency.format(total)}")
    return total


def _settable_fields(
    currency: Currency, address: type[Schema], *, required: bool
) -> dict[str, fields.Field[Any]]:
    """The fields that a client sets; all are optional unless `required`."""
    return {
        "customer_name": Text(max_length=200, required=required, examples=["Ada Lovelace"]),
        "customer_email": EmailAddress(allow_none=True, examples=["ada@example.org"]),
        ADDRESS: fields.Nested(address, allow_none=True),
        "items": Items(
            fields.Nested(_line_schema(currency)),
            min_length=1,
            max_length=MAX_LINES,
            required=required,
        ),
        "payment_method": Choice(*METHODS, description=_PAYMENT_METHODS, examples=[APPROVE]),
    }


@cache
def _line_schema(currency: Currency) -> type[Schema]:
    return StrictSchema.from_dict(
        {
            "product": Text(
                max_length=64, required=True, description="a sku", examples=["notebook-a5"]
            ),
            "quantity": Integer(minimum=1, maximum=MAX_QUANTITY, required=True, examples=[2]),
            "amount": Money(
                currency,
                description="price of one unit; else that of the order's line, or the product's",
            ),
        },
        name="OrderLineRequest",
    )
