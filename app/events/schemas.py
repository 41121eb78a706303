"""The documents of the event routes: requests, and events, failures and plans in responses."""

from datetime import tzinfo
from functools import cache
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields

from app.events import failures, faults
from app.events.outbox import DEAD, DISCARDED, DONE, PENDING, WAITING
from app.events.replay import RUN, SKIP, WAIT
from app.events.types import EVENT_TYPES
from app.schema.fields import Choice, Flag, Integer, Text, Timestamp
from app.schema.paging import Limit, PageSchema
from app.schema.validation import StrictSchema


@cache
def feed_query(zone: tzinfo) -> Schema:
    """GET /event; days are those of `zone`."""
    return StrictSchema.from_dict(
        {
            "after": Text(max_length=200, description="`next` of the page before"),
            "since": Timestamp(zone, description="instead of `after`, for the first page"),
            "type": Choice(*(event.type for event in EVENT_TYPES)),
            "limit": Limit(),
        },
        name="FeedQuery",
    )()


@cache
def selection_schema(zone: tzinfo) -> Schema:
    """POST /failure/replay; days are those of `zone`."""
    return SelectionSchema.from_dict({"since": Timestamp(zone)}, name="Selection")()


class SelectionSchema(StrictSchema):
    """Filters over the failures; without any, `all` must be true."""

    cross_field_rules: ClassVar[dict[str, Any]] = {
        "not": {
            "propertyNames": {"enum": ["all", "dry_run"]},
            "properties": {"all": {"const": False}},
        }
    }

    id = Text(max_length=120, description="of a failure, or of an event")
    handler = Text(max_length=60, examples=["billing"])
    type = Text(max_length=60)
    order = Text(max_length=40, description="an order's id or number")
    error = Text(max_length=200, description="a part of the error, in any case")
    all = Flag()
    dry_run = Flag()

    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        """See StrictSchema."""
        wanted = super().load(data, **options)
        if not wanted.get("all") and wanted.keys() <= {"all", "dry_run"}:
            raise ValidationError('say which failures, or "all": true', "_schema")
        return wanted


class DiscardSchema(StrictSchema):
    """The reason for discarding a failure."""

    reason = Text(max_length=500, required=True, examples=["the customer was called"])


class FaultSchema(StrictSchema):
    """A fault switch: `times` limits how often it fails, `delay_s` is for mode slow."""

    mode = Choice(*faults.MODES, required=True)
    times = Integer(minimum=1, maximum=1_000_000, allow_none=True, load_default=None)
    delay_s = Integer(minimum=1, maximum=60, load_default=1)
    order = Text(max_length=40, allow_none=True, load_default=None)


class SetFaultSchema(FaultSchema):
    """A fault switch that is set."""

    handler = Text(max_length=40, required=True)


class FaultListSchema(StrictSchema):
    """The fault switches that are set."""

    faults = fields.List(fields.Nested(SetFaultSchema), required=True)


class ClearedSchema(StrictSchema):
    """A fault switch was cleared."""

    handler = fields.String(required=True)
    cleared = fields.Boolean(required=True)


class CloudEventSchema(StrictSchema):
    """An event: CloudEvents 1.0 in JSON. `subject` is the order's id."""

    specversion = Choice("1.0", required=True)
    id = fields.String(required=True)
    source = fields.String(required=True)
    type = fields.String(required=True)
    time = fields.String(required=True, metadata={"format": "date-time"})
    subject = fields.String(required=True)
    traceparent = fields.String(
        metadata={"description": "W3C Trace Context: the span that emitted it"}
    )
    datacontenttype = Choice("application/json", required=True)
    data = fields.Dict(required=True)


class NewsSchema(StrictSchema):
    """A page of the event feed; `next` is the cursor of the next one, `more` says to get it now."""

    events = fields.List(fields.Nested(CloudEventSchema), required=True)
    next = fields.String(required=True)
    more = fields.Boolean(required=True)


class DeliverySchema(StrictSchema):
    """The delivery of an event to one handler; `log` has failed attempts, replays and discards.

    `note` says why the handler had nothing to do.
    """

    state = Choice(PENDING, WAITING, DONE, DEAD, DISCARDED, required=True)
    attempts = Integer(minimum=0, maximum=10**6, required=True)
    before_replay = Integer(minimum=0, maximum=10**6, description="attempts before the last replay")
    at = fields.String(metadata={"format": "date-time"})
    error = fields.String()
    note = fields.String()
    retry_at = fields.String(metadata={"format": "date-time"})
    waiting_for = fields.String(
        metadata={"description": "the earlier event whose delivery is dead"}
    )
    log = fields.List(fields.Dict())


class EventRecordSchema(StrictSchema):
    """An event with its deliveries, by handler."""

    id = fields.String(required=True)
    event = fields.Nested(CloudEventSchema, required=True)
    deliveries = fields.Dict(
        keys=fields.String(), values=fields.Nested(DeliverySchema), required=True
    )


class TimelineSchema(StrictSchema):
    """Every event of an order, oldest first."""

    events = fields.List(fields.Nested(EventRecordSchema), required=True)


class FailureSchema(StrictSchema):
    """One entry of failure.json."""

    id = fields.String(required=True)
    handler = fields.String(required=True)
    state = Choice(failures.FAILED, failures.REPLAYING, required=True)
    error = fields.String(required=True)
    failed_at = fields.String(required=True, metadata={"format": "date-time"})
    replays = Integer(minimum=0, maximum=10**6, required=True)
    event = fields.Nested(CloudEventSchema, required=True)


class FailurePageSchema(PageSchema):
    """A page of failures, and the cursor of the next page."""

    failures = fields.List(fields.Nested(FailureSchema), required=True)


class StepSchema(StrictSchema):
    """The plan of a replay for one failure."""

    id = fields.String(required=True)
    what = Choice(RUN, SKIP, WAIT, required=True)
    handler = fields.String(required=True)
    type = fields.String(required=True)
    order = fields.String(required=True)
    error = fields.String(required=True)


class ReplayedSchema(StrictSchema):
    """How many deliveries are being replayed."""

    replayed = Integer(minimum=0, maximum=10**9, required=True)


class PlanSchema(StrictSchema):
    """The plan of a replay, in order of delivery."""

    plan = fields.List(fields.Nested(StepSchema), required=True)


class DiscardedSchema(StrictSchema):
    """A failure was discarded."""

    id = fields.String(required=True)
    discarded = fields.Boolean(required=True)
