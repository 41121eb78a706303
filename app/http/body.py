"""Request bodies: the right media type, strict JSON, an object."""

from typing import Any

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from app import strict_json
from app.errors import Invalid, Problem

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
MAX_BODY_BYTES = 1 << 20


class WrongMediaType(UnsupportedMediaType):
    """415, with the header that says what would be right (RFC 9110, 15.5.16; RFC 5789, 2.2)."""

    def __init__(self, accepted: tuple[str, ...]) -> None:
        super().__init__(f"Send the body as {' or '.join(accepted)}.")
        self._accepted = accepted

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """See HTTPException."""
        name = "Accept-Patch" if request.method == "PATCH" else "Accept"
        return [(name, ", ".join(self._accepted))]


def json_object(*accepted: str) -> dict[str, Any]:
    """The body as a JSON object. Raises WrongMediaType, Malformed or Invalid; 413 when too large."""
    if request.mimetype not in (accepted or (JSON,)):
        raise WrongMediaType(accepted or (JSON,))
    body = strict_json.loads(request.get_data())
    if not isinstance(body, dict):
        raise Invalid([Problem("", "The body must be a JSON object.")])
    return body
