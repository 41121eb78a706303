"""Request bodies: media type, size limit, strict JSON."""

from typing import Any

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from app.http.responses.json_response import JSON
from app.kernel.errors import Invalid, Problem
from app.schema import strict_json

MERGE_PATCH = "application/merge-patch+json"
PATCH_TYPES = (MERGE_PATCH, JSON)
MAX_BODY_BYTES = 1 << 20
MAX_READ_BYTES = MAX_BODY_BYTES + 1
"""One byte over the limit, by which a body that was cut off there is known."""
TOO_LARGE = f"The body is larger than {MAX_BODY_BYTES} bytes; send less in one request."


class WrongMediaType(UnsupportedMediaType):
    """415, with the header that names what is accepted (RFC 9110, 15.5.16; RFC 5789, 2.2)."""

    def __init__(self, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self._headers = headers

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """See HTTPException."""
        return [(name.replace("_", "-"), value) for name, value in self._headers.items()]


def body_bytes() -> bytes:
    """The raw body. Raises RequestEntityTooLarge (413) over 1 MiB."""
    try:
        body = request.get_data()
        if len(body) > MAX_BODY_BYTES:
            raise RequestEntityTooLarge
    except RequestEntityTooLarge:
        raise RequestEntityTooLarge(TOO_LARGE) from None
    return body


def json_object(*accepted: str) -> dict[str, Any]:
    """The body as a JSON object, in one of the media types `accepted` (default: JSON).

    Raises WrongMediaType, Malformed, Invalid, and RequestEntityTooLarge.
    """
    data = body_bytes()
    _check_media_type(accepted or (JSON,))
    body = strict_json.loads(data)
    if not isinstance(body, dict):
        raise Invalid([Problem("", "The body must be a JSON object.")])
    return body


def json_object_if_any() -> dict[str, Any]:
    """As `json_object`; a request without a body counts as an empty object."""
    return json_object() if body_bytes() or request.mimetype else {}


def announce_patch(response: Response) -> Response:
    """Add Accept-Patch to responses to OPTIONS where PATCH is allowed (RFC 5789, 3.1)."""
    if request.method == "OPTIONS" and "PATCH" in response.headers.get("Allow", ""):
        response.headers["Accept-Patch"] = ", ".join(PATCH_TYPES)
    return response


def _check_media_type(accepted: tuple[str, ...]) -> None:
    coding = request.environ.get("HTTP_CONTENT_ENCODING")
    if coding is None and request.content_type in accepted:
        return
    if coding is not None and coding.lower() != "identity":
        raise WrongMediaType(
            "Send the body uncompressed, without Content-Encoding.", Accept_Encoding="identity"
        )
    charset = request.mimetype_params.get("charset", "utf-8")
    if request.mimetype not in accepted or charset.lower() not in ("utf-8", "utf8"):
        header = "Accept_Patch" if request.method == "PATCH" else "Accept"
        detail = f"Send the body as {' or '.join(accepted)}, in UTF-8."
        raise WrongMediaType(detail, **{header: ", ".join(accepted)})
