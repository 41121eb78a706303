"""Shipping addresses: their schemas, and the merge of a change.

An address is in its order only (docs/decisions/0120): events have no copy, and receipts, mails and
packing lists show that of the order.
"""

from typing import Any

from marshmallow import fields, validate

from app.kernel.errors import Conflict
from app.kernel.shipping_address import ADDRESS
from app.schema.fields import Country, Items, Text
from app.schema.validation import StrictSchema
from app.store import Document

MAX_ADDRESS_LINES = 3
ADDRESS_LINE_MAX_CHARACTERS = 100
RECIPIENT_MAX_CHARACTERS = 200
POSTAL_CODE_MAX_CHARACTERS = 20
CITY_MAX_CHARACTERS = 100

_REQUIRED = ("name", "lines", "city", "country")


def _lines(**options: Any) -> Items:
    return Items(
        Text(max_length=ADDRESS_LINE_MAX_CHARACTERS),
        min_length=1,
        max_length=MAX_ADDRESS_LINES,
        description="street and number, or a post box; what else a carrier has to know",
        examples=[["12 St James's Square"]],
        **options,
    )


def _name(**options: Any) -> Text:
    return Text(max_length=RECIPIENT_MAX_CHARACTERS, examples=["Ada Lovelace"], **options)


def _postal_code(**options: Any) -> Text:
    return Text(
        max_length=POSTAL_CODE_MAX_CHARACTERS,
        description="absent in countries without postal codes",
        examples=["SW1Y 4JH"],
        **options,
    )


def _city(**options: Any) -> Text:
    return Text(max_length=CITY_MAX_CHARACTERS, examples=["London"], **options)


class ShippingAddressRequestSchema(StrictSchema):
    """The address that a new order is sent to."""

    name = _name(required=True)
    lines = _lines(required=True)
    postal_code = _postal_code()
    city = _city(required=True)
    country = Country(required=True, examples=["GB"])


class ShippingAddressChangeSchema(StrictSchema):
    """A merge patch of an order's address."""

    name = _name()
    lines = _lines()
    postal_code = _postal_code(allow_none=True)
    city = _city()
    country = Country(examples=["GB"])


class ShippingAddressSchema(StrictSchema):
    """The address of a stored order; its country may have left the standard since."""

    name = _name(required=True)
    lines = _lines(required=True)
    postal_code = _postal_code()
    city = _city(required=True)
    country = fields.String(
        required=True,
        validate=validate.Regexp("^[A-Z]{2}$"),
        metadata={"description": "ISO 3166-1 alpha-2"},
    )


def apply_patch(order: Document, patch: Document) -> Document:
    """The order with a merge patch (RFC 7396); null removes the address, and its postal code.

    Raises Conflict for a part of an address when the order has none.
    """
    changed = order | patch
    if ADDRESS not in patch:
        return changed
    del changed[ADDRESS]
    if patch[ADDRESS] is None:
        return changed
    members = order.get(ADDRESS, {}) | patch[ADDRESS]
    address = {name: value for name, value in members.items() if value is not None}
    if missing := [name for name in _REQUIRED if name not in address]:
        raise Conflict(
            f"Order {order['number']} has no shipping address that could be changed; "
            f"send {' and '.join(missing)} too."
        )
    return changed | {ADDRESS: address}
