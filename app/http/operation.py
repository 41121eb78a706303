"""Description of a route, kept beside its view; app/openapi/ generates the contract from it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any
from weakref import WeakKeyDictionary

from flask import Response, request
from marshmallow import Schema

from app.http.responses.json_response import JSON
from app.http.security.origin import SAFE_METHODS
from app.kernel.errors import Malformed, Stale

IF_MATCH, IF_NONE_MATCH = "If-Match", "If-None-Match"
IDEMPOTENCY_KEY, PREFER = "Idempotency-Key", "Prefer"
KEYED_CHANGE = (IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH)

SchemaLike = Schema | type[Schema]
View = Callable[..., Response]


@dataclass(frozen=True)
class Operation:
    """One method of one route; a decorator of its view.

    A success has the JSON document `response_schema` and `status`, or those of `other_response`.
    It may also have one of `other_media_types`; only these where `response_schema` is None.
    The request's body is one of the schemas `body`, in the media type `consumes`; `headers`
    are the request headers that the view reads. `errors` are statuses besides those that follow
    from all this. `etag`: a success has an ETag.
    """

    response_schema: SchemaLike | None
    status: int = 200
    other_response: tuple[int, SchemaLike] | None = None
    other_media_types: tuple[str, ...] = ()
    body: tuple[SchemaLike, ...] = ()
    consumes: str = JSON
    body_required: bool = True
    query: Schema | None = None
    headers: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    etag: bool = False

    def __call__(self, view: View) -> View:
        """Register the view under this description.

        The view refuses a query where none is declared, and a change with If-Match where the view
        does not read it: what it would change has no version, or does not exist yet (RFC 9110,
        13.1.1).
        """
        ignores_if_match = IF_MATCH not in self.headers

        @wraps(view)
        def checked_view(**path: str) -> Response:
            environ = request.environ
            if self.query is None and environ.get("QUERY_STRING"):
                raise Malformed("This address takes no query parameters.")
            if (
                ignores_if_match
                and "HTTP_IF_MATCH" in environ
                and environ["REQUEST_METHOD"] not in SAFE_METHODS
            ):
                raise Stale("Nothing here has the version in If-Match; send the request without.")
            response = view(**path)
            if self.response_schema and self.other_media_types:
                response.vary.add("Accept")
            return response

        OPERATIONS[checked_view] = self
        return checked_view


Change = partial(Operation, headers=(IF_MATCH, IF_NONE_MATCH), errors=(409,), etag=True)
"""An Operation that changes a document if it is at the version that the request expects."""

OPERATIONS: WeakKeyDictionary[Callable[..., Any], Operation] = WeakKeyDictionary()
"""The description of each view that has one."""
