"""What requests about failures and fault switches may say."""

from marshmallow import Schema, fields, validate

from app.events import faults
from app.http.fields import Count, Flag, Text


class SelectionSchema(Schema):
    """Which failures are meant; an empty selection means all of them only with `all`."""

    id = Text(longest=120)
    handler = Text(longest=40)
    type = Text(longest=60)
    order = Text(longest=40)
    error = Text(longest=200)
    since = Text(longest=40)
    all = Flag()
    dry_run = Flag()


class DiscardSchema(Schema):
    """Giving a failure up."""

    reason = Text(longest=500, required=True)


class FaultSchema(Schema):
    """A fault switch. `times` and `delay_s` belong to their modes; `order` limits it to one order."""

    mode = fields.String(required=True, validate=validate.OneOf(list(faults.MODES)))
    times = Count(least=1, most=1_000_000, allow_none=True, load_default=None)
    delay_s = Count(least=1, most=60, load_default=1)
    order = Text(longest=40, allow_none=True, load_default=None)
