"""Description of a route, kept beside its view; app/openapi/ generates the contract from it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from flask import Response, request
from marshmallow import Schema

from app.http.responses.json_response import JSON
from app.kernel.errors import Malformed

IF_MATCH, IF_NONE_MATCH = "If-Match", "If-None-Match"
IDEMPOTENCY_KEY, PREFER = "Idempotency-Key", "Prefer"

SchemaLike = Schema | type[Schema]
View = Callable[..., Response]


@dataclass(frozen=True)
class Operation:
    """One method of one route; a decorator of its view.

    A success has the JSON document `response_schema` and `status`, or those of `other_response`.
    It may also come in `other_media_types`, and only in them where `response_schema` is None.
    The body is one of `request_schemas`, in one of `request_media_types`. `request_headers` are
    those that the view reads. `error_statuses` are added to those that follow from all this.
    """

    response_schema: SchemaLike | None
    status: int = 200
    other_response: tuple[int, SchemaLike] | None = None
    other_media_types: tuple[str, ...] = ()
    request_schemas: tuple[SchemaLike, ...] = ()
    request_media_types: tuple[str, ...] = (JSON,)
    body_required: bool = True
    query_schema: Schema | None = None
    request_headers: tuple[str, ...] = ()
    error_statuses: tuple[int, ...] = ()
    has_etag: bool = False

    def __call__(self, view: View) -> View:
        """Register the view under this description, and refuse a query where none is declared."""

        @wraps(view)
        def checked_view(**path: str) -> Response:
            if self.query_schema is None and request.query_string:
                raise Malformed("This address takes no query parameters.")
            return view(**path)

        OPERATIONS[checked_view] = self
        return checked_view


OPERATIONS: WeakKeyDictionary[Callable[..., Any], Operation] = WeakKeyDictionary()
"""The description of each view that has one."""
