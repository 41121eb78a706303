"""The query parameters that every list has: its filters, `limit`, `cursor` and `total`.

Reading them from a request and writing the response is app/http/requests/paging.py's job.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields

from app.schema.fields import Choice, Text
from app.schema.validation import StrictSchema

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class Limit(fields.Integer):
    """The page length, read from query text; values over 200 count as 200."""

    def __init__(self) -> None:
        metadata = {
            "minimum": 1,
            "maximum": 10**9 - 1,
            "description": f"over {MAX_LIMIT} counts as {MAX_LIMIT}",
        }
        super().__init__(load_default=DEFAULT_LIMIT, metadata=metadata)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) > 0):
            raise ValidationError("must be a whole number from 1")
        return min(int(value), MAX_LIMIT)


class PageSchema(StrictSchema):
    """The members that every page has beside its entries."""

    next = fields.String(required=True, allow_none=True)
    total = fields.Integer(
        allow_none=True,
        metadata={"minimum": 0, "description": "with total=true; null for a search"},
    )


def list_schema(filters: Mapping[str, fields.Field[Any]]) -> Schema:
    """The schema of a list's query: its own `filters`, `limit`, `cursor` and `total`."""
    cursor = Text(
        max_length=2000,
        metadata={"pattern": "^[A-Za-z0-9_-]+$", "description": "`next` of the page before"},
    )
    return StrictSchema.from_dict(
        {**filters, "limit": Limit(), "cursor": cursor, "total": Choice("true", "false")},
        name="ListQuery",
    )()
