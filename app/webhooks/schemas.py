"""The documents of webhook endpoints: requests, responses, and what is stored."""

from datetime import tzinfo
from functools import cache
from typing import Any

from marshmallow import Schema, fields, validate

from app.events.outbox import DEAD, DISCARDED, DONE, PENDING
from app.events.types import EVENT_TYPES
from app.kernel.versions import check_details_version
from app.schema.fields import Choice, Flag, Integer, Items, Text, Timestamp
from app.schema.paging import Limit, PageSchema, list_schema
from app.schema.validation import StrictSchema, load
from app.store import Document
from app.webhooks.target import URL_MAX_CHARS

MAX_PATTERNS = 20
MAX_SECRETS = 2
"""The present secret, and for a day the one before it."""

LIST_QUERY = list_schema({})

TYPES = [event.type for event in EVENT_TYPES]
FAMILIES = sorted({f"{each.partition('.')[0]}.*" for each in TYPES})
PATTERNS = ("*", *FAMILIES, *TYPES)
"""The patterns that an endpoint may subscribe to: all types, a family of types, or one type."""


def _settable(*, required: bool) -> dict[str, fields.Field[Any]]:
    """The fields that a caller sets; url and types are required if `required`."""
    return {
        "url": Text(
            max_length=URL_MAX_CHARS,
            required=required,
            examples=["https://receiver.example.org/daybook"],
        ),
        "types": Items(
            Choice(*PATTERNS),
            min_length=1,
            max_length=MAX_PATTERNS,
            required=required,
            examples=[["order.*", "product.low_stock"]],
        ),
        "description": Text(max_length=200, min_length=0, examples=["the warehouse"]),
        "enabled": Flag(metadata={"description": "whether events are sent"}),
    }


ENDPOINT_REQUEST = StrictSchema.from_dict(_settable(required=True), name="WebhookRequest")()
ENDPOINT_CHANGE = StrictSchema.from_dict(_settable(required=False), name="WebhookChange")()


class WebhookSchema(StrictSchema):
    """A webhook endpoint, without its secret."""

    webhook_id = fields.String(required=True)
    url = fields.String(required=True)
    types = fields.List(fields.String(), required=True)
    description = Text(max_length=200, min_length=0, required=True)
    enabled = Flag(required=True)
    disabled_reason = fields.String(
        required=True, metadata={"description": "why the service disabled it; else empty"}
    )
    failing_since = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "the first failure since the last success"},
    )
    created = fields.String(required=True, metadata={"format": "date-time"})
    updated = fields.String(required=True, metadata={"format": "date-time"})
    changed_by = fields.String(required=True)
    version = Integer(minimum=1, maximum=10**12, required=True)
    details_version = Integer(
        minimum=1,
        maximum=10**12,
        description="the version of the last change by a person; absent: `version`",
    )


class WebhookWithSecretSchema(WebhookSchema):
    """An endpoint with its new secret, which is not shown again."""

    secret = fields.String(
        metadata={
            "examples": ["whsec_MfKQ9r8GKYqrTwjU…"],
            "description": "absent where the request that made it is repeated",
        }
    )


class WebhookPageSchema(PageSchema):
    """A page of endpoints, oldest first, and the cursor of the next one."""

    webhooks = fields.List(fields.Nested(WebhookSchema), required=True)


class WebhookDeletedSchema(StrictSchema):
    """An endpoint was deleted."""

    webhook_id = fields.String(required=True)
    deleted = fields.Boolean(required=True)


class SampleSchema(StrictSchema):
    """How the receiver answered a sample."""

    delivered = Flag(required=True, metadata={"description": "whether the status is 2xx"})
    status = Integer(minimum=100, maximum=999, required=True, allow_none=True)
    response = fields.String(
        required=True,
        metadata={"description": "the first part of the response, or why there is none"},
    )


class AttemptSchema(StrictSchema):
    """One line of a delivery's log: an attempt, or what a person did."""

    at = fields.String(required=True, metadata={"format": "date-time"})
    action = fields.String(required=True)
    status = Integer(minimum=100, maximum=999, description="of the receiver's response")
    response = fields.String(
        metadata={"description": "the first part of it; only of the last attempt"}
    )
    error = fields.String()
    by = fields.String()
    reason = fields.String()


class WebhookDeliverySchema(StrictSchema):
    """An event on its way to one endpoint."""

    event_id = fields.String(required=True)
    type = fields.String(required=True)
    time = fields.String(required=True, metadata={"format": "date-time"})
    subject = fields.String(required=True)
    state = Choice(PENDING, DONE, DEAD, DISCARDED, required=True)
    attempts = fields.List(fields.Nested(AttemptSchema), required=True)
    note = fields.String(metadata={"description": "why it was not sent"})
    retry_at = fields.String(metadata={"format": "date-time"})


class WebhookDeliveryPageSchema(StrictSchema):
    """Deliveries, oldest event first; `next` is the next page's cursor, `more` says to get it."""

    deliveries = fields.List(fields.Nested(WebhookDeliverySchema), required=True)
    next = fields.String(required=True)
    more = fields.Boolean(required=True)


class RecoveredSchema(StrictSchema):
    """How many events are sent again, or for the first time."""

    recovered = Integer(minimum=0, maximum=10**9, required=True)
    next_since = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "format": "date-time",
            "description": "from when to recover the rest, once these are sent; null: that was all",
        },
    )


@cache
def deliveries_query(zone: tzinfo) -> Schema:
    """GET /webhook/{id}/deliveries; days are those of `zone`."""
    return StrictSchema.from_dict(
        {
            "after": Text(max_length=200, description="`next` of the page before"),
            "since": Timestamp(zone, description="for the first page; default: a day ago"),
            "limit": Limit(),
        },
        name="DeliveriesQuery",
    )()


@cache
def recover_schema(zone: tzinfo) -> Schema:
    """POST /webhook/{id}/recover; days are those of `zone`."""
    since = Timestamp(zone, required=True, examples=["2026-11-21T08:00:00Z"])
    return StrictSchema.from_dict({"since": since}, name="Recovery")()


class _SecretSchema(StrictSchema):
    secret = fields.String(required=True, validate=validate.Regexp(r"^whsec_[A-Za-z0-9+/=]{32,}$"))
    expires = fields.String(required=True, allow_none=True)


class _StoredSchema(WebhookSchema):
    secrets = fields.List(
        fields.Nested(_SecretSchema), required=True, validate=validate.Length(1, MAX_SECRETS)
    )


_STORED = _StoredSchema()


def check_endpoint(endpoint: Document) -> None:
    """Raise Invalid when a stored endpoint has a wrong shape."""
    load(_STORED, endpoint)
    check_details_version(endpoint)
