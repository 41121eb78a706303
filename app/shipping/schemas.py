"""The schemas of shipments: requests, responses and stored documents."""

from datetime import tzinfo
from functools import cache

from marshmallow import Schema, fields, validate

from app.schema.fields import Choice, Integer, Text, Timestamp
from app.schema.paging import PageSchema, list_schema
from app.schema.validation import StrictSchema, load
from app.shipping.states import STATES
from app.store import Document

LIST_QUERY = list_schema({"state": Choice(*STATES)})


class HandoverSchema(StrictSchema):
    """POST /shipment/{order_id}/ship."""

    carrier = Text(max_length=100, required=True, examples=["DHL"])
    tracking_number = Text(max_length=100, required=True, examples=["00340434161094042557"])


@cache
def arrival_schema(zone: tzinfo) -> Schema:
    """POST /shipment/{order_id}/delivered, by the carrier; days are those of `zone`."""
    number = Text(max_length=100, required=True, examples=["00340434161094042557"])
    moment = Timestamp(zone, has_happened=True, examples=["2026-11-24T09:30:00Z"])
    return StrictSchema.from_dict(
        {"tracking_number": number, "delivered_at": moment}, name="Arrival"
    )()


class ShipmentLineSchema(StrictSchema):
    """One line of a shipment."""

    product = Text(max_length=64, required=True)
    name = Text(max_length=200, required=True)
    quantity = Integer(minimum=1, maximum=10**6, required=True)


class ShipmentSchema(StrictSchema):
    """A shipment, as in responses and in the store; `shipment_id` is the id of its order.

    `waits_for` has the reasons why a waiting shipment is not ready.
    """

    shipment_id = fields.String(required=True, metadata={"format": "uuid"})
    order_number = Integer(minimum=1, maximum=10**12, required=True)
    state = Choice(*STATES, required=True)
    waits_for = fields.List(Choice("stock", "payment"), required=True)
    customer_name = Text(max_length=200, required=True)
    lines = fields.List(
        fields.Nested(ShipmentLineSchema), required=True, validate=validate.Length(1)
    )
    carrier = Text(max_length=100, required=True, allow_none=True)
    tracking_number = Text(max_length=100, required=True, allow_none=True)
    shipped_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    shipped_by = fields.String(metadata={"description": "the caller who handed it to the carrier"})
    delivered_at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    updated = fields.String(required=True, metadata={"format": "date-time"})
    version = Integer(minimum=1, maximum=10**12, required=True)


class ShipmentPageSchema(PageSchema):
    """A page of shipments, and the cursor of the next one."""

    shipments = fields.List(fields.Nested(ShipmentSchema), required=True)


_STORED = ShipmentSchema()


def check_shipment(shipment: Document) -> None:
    """Raise Invalid when a stored shipment has a wrong shape."""
    load(_STORED, shipment)
