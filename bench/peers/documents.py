"""The request body of all peers, and the order document of the peers without an ORM."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate
from uuid_utils import uuid7

CURRENCY = "EUR"
FIRST_NUMBER = 1001

Document = dict[str, Any]


class LineSchema(Schema):
    product = fields.String(required=True, validate=validate.Length(1, 64))
    quantity = fields.Integer(required=True, strict=True, validate=validate.Range(1, 1_000_000))
    amount = fields.Decimal(places=2, validate=validate.Range(0))


class NewOrderSchema(Schema):
    customer_name = fields.String(required=True, validate=validate.Length(1, 200))
    customer_email = fields.Email(load_default=None)
    items = fields.List(fields.Nested(LineSchema), required=True, validate=validate.Length(1, 100))


NEW_ORDER = NewOrderSchema()


def order_of(number: int, wanted: Mapping[str, Any], items: Sequence[Document]) -> Document:
    """Return the order as stored and answered; `items` come from `priced`."""
    now = timestamp()
    total = sum((Decimal(item["line_total"]) for item in items), Decimal("0.00"))
    return {
        "order_id": str(uuid7()),
        "number": number,
        "customer_name": wanted["customer_name"],
        "customer_email": wanted["customer_email"],
        "items": list(items),
        "currency": CURRENCY,
        "total_amount": str(total),
        "status": "placed",
        "payment_status": "pending",
        "order_date": now,
        "order_update": now,
        "version": 1,
        "history": [{"at": now, "event": "order.placed", "detail": "Order placed"}],
    }


def timestamp() -> str:
    """Return the present time in UTC, with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def event_of(order: Document) -> Document:
    """Return the event for the outbox."""
    return {
        "event_id": str(uuid7()),
        "type": "order.placed",
        "subject": order["order_id"],
        "time": order["order_date"],
        "data": order,
    }


def priced(
    lines: Sequence[Mapping[str, Any]], products: Mapping[str, Mapping[str, Any]]
) -> list[Document]:
    """Return the order's lines, each at its own amount or, without one, the product's price.

    Raises ValidationError for a product that doesn't exist.
    """
    if missing := {line["product"] for line in lines} - products.keys():
        raise ValidationError({"items": [f"no such product: {', '.join(sorted(missing))}"]})
    return [_item(line, products[line["product"]]) for line in lines]


def _item(line: Mapping[str, Any], product: Mapping[str, Any]) -> Document:
    amount: Decimal = line.get("amount", Decimal(product["price"]))
    return {
        "product": line["product"],
        "name": product["name"],
        "quantity": line["quantity"],
        "amount": str(amount),
        "line_total": str(amount * line["quantity"]),
    }
