"""What an order request may say, and what a stored order must look like."""

from decimal import Decimal

from marshmallow import Schema, fields, validate

from app.errors import Invalid, Problem
from app.http.fields import Count, EmailAddress, Money, Text
from app.http.validation import load
from app.money import Currency
from app.orders import states
from app.store import Document

MAX_LINES = 2000
MAX_QUANTITY = 1_000_000


def request_schema(currency: Currency) -> Schema:
    """POST /order."""
    line = Schema.from_dict(
        {
            "product": Text(longest=64, required=True, metadata={"description": "a sku"}),
            "quantity": Count(least=1, most=MAX_QUANTITY, required=True),
            "amount": Money(
                currency, metadata={"description": "price of one unit; else the product's price"}
            ),
        },
        name="OrderLineRequest",
    )
    return Schema.from_dict(
        {
            "customer_name": Text(longest=200, required=True),
            "customer_email": EmailAddress(allow_none=True),
            "items": fields.List(
                fields.Nested(line), required=True, validate=validate.Length(1, MAX_LINES)
            ),
        },
        name="OrderRequest",
    )()


def patch_schema(currency: Currency) -> Schema:
    """PATCH /order/{id}: any of the request's fields, or the status alone, to cancel."""
    request = request_schema(currency)
    patchable = {
        "status": fields.String(validate=validate.Equal(states.CANCELLED)),
        "reason": Text(longest=500),
    }
    declared = {name: field for name, field in request.fields.items()}
    return Schema.from_dict(declared | patchable, name="OrderPatch")(partial=True)


def cancel_schema() -> Schema:
    """POST /order/{id}/cancel."""
    return Schema.from_dict({"reason": Text(longest=500)}, name="OrderCancellation")()


class HistorySchema(Schema):
    """One step in an order's life."""

    at = fields.String(required=True)
    event = fields.String(required=True)
    detail = fields.String(required=True)


class OrderLineSchema(Schema):
    """One line of a stored order."""

    product = fields.String(required=True)
    name = fields.String(required=True)
    quantity = Count(least=1, most=MAX_QUANTITY, required=True)
    amount = fields.String(required=True)
    line_total = fields.String(required=True)


class OrderSchema(Schema):
    """A stored order, as it is answered and as it stands in data/orders.json."""

    order_id = fields.UUID(required=True)
    number = Count(least=1, most=10**12, required=True)
    customer_name = fields.String(required=True)
    customer_email = fields.String(required=True, allow_none=True)
    items = fields.List(
        fields.Nested(OrderLineSchema), required=True, validate=validate.Length(1, MAX_LINES)
    )
    currency = fields.String(required=True)
    total_amount = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(states.STATUSES))
    payment_status = fields.String(
        required=True, validate=validate.OneOf(("pending", "paid", "failed", "refunded"))
    )
    order_date = fields.String(required=True)
    order_update = fields.String(required=True)
    version = Count(least=1, most=10**12, required=True)
    history = fields.List(fields.Nested(HistorySchema), required=True)


_STORED = OrderSchema()


def check_order(order: Document) -> None:
    """Raise Invalid when a stored order breaks the rules: its shape, and its sums."""
    load(_STORED, order)
    currency = Currency(order["currency"])
    try:
        total = sum(_checked_line(currency, line) for line in order["items"])
        if currency.write(currency.parse(order["total_amount"])) != currency.write(total):
            raise ValueError(f"is not the sum of the lines, {currency.write(total)}")
    except ValueError as error:
        raise Invalid([Problem("/total_amount", str(error))]) from None


def _checked_line(currency: Currency, line: Document) -> Decimal:
    total = line["quantity"] * currency.parse(line["amount"])
    if line["line_total"] != currency.write(total):
        raise ValueError(f"line_total of {line['product']} is not {currency.write(total)}")
    return total
