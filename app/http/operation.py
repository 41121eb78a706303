"""What a route takes and answers, said once, beside it; app/openapi/ tells it to clients."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from flask import Response, request
from marshmallow import Schema

from app.http.requests.body import JSON
from app.kernel.errors import Malformed

IF_MATCH, IF_NONE_MATCH = "If-Match", "If-None-Match"
IDEMPOTENCY_KEY, PREFER = "Idempotency-Key", "Prefer"

SchemaLike = Schema | type[Schema]
View = Callable[..., Response]


@dataclass(frozen=True)
class Operation:
    """One method of one route.

    `answers` is the document of a success, with `status`, and `otherwise` another such pair; `also`
    are other media types of a success than JSON (its only ones where `answers` is None).
    `takes` are the bodies it accepts (one of them) in the media types `accepts`; `query` are its
    query parameters; `reads` are the request headers that count; `refuses` are statuses besides
    those that follow from all this; `versioned` says that the answer has an ETag.
    """

    answers: SchemaLike | None
    status: int = 200
    otherwise: tuple[int, SchemaLike] | None = None
    also: tuple[str, ...] = ()
    takes: tuple[SchemaLike, ...] = ()
    accepts: tuple[str, ...] = (JSON,)
    body_required: bool = True
    query: Schema | None = None
    reads: tuple[str, ...] = ()
    refuses: tuple[int, ...] = ()
    versioned: bool = False

    def __call__(self, view: View) -> View:
        """The view, tied to this description, and refusing a query where none is declared."""

        @wraps(view)
        def described(**path: str) -> Response:
            if self.query is None and request.query_string:
                raise Malformed("This address takes no query parameters.")
            return view(**path)

        OPERATIONS[described] = self
        return described


OPERATIONS: WeakKeyDictionary[Callable[..., Any], Operation] = WeakKeyDictionary()
"""The description of each view that has one."""
