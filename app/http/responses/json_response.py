"""Answers in JSON, with the version as ETag, and the conditions that clients put on versions."""

from collections.abc import Container
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response, request
from werkzeug.datastructures import ETags, Headers

from app.store import Document

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def json_bytes(body: Any) -> bytes:
    """`body` as a JSON text in UTF-8, ended by a newline."""
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


class JsonResponse(Response):
    """An answer that is complete as it stands, with headers in ASCII."""

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        """See werkzeug.wrappers.Response, which would look for an address to be corrected."""
        return self.headers


def json_response(body: Any, status: int = 200, **headers: str) -> Response:
    """A JSON answer; header names are given with underscores."""
    response = JsonResponse(json_bytes(body), status, content_type="application/json")
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def see_other(location: str) -> Response:
    """Send a browser on to another page (303, RFC 9110, 15.4.4)."""
    return Response(status=303, headers={"Location": location})


def versioned(document: Document, status: int = 200, **headers: str) -> Response:
    """A document with its version as a strong ETag (RFC 9110, 8.8.3).

    A GET gets 304 without a body where If-None-Match already names that version (weakly compared).
    """
    version = str(document["version"])
    if "If-None-Match" in request.headers and _has_already(version):
        return Response(status=304, headers={"ETag": f'"{version}"'})
    return json_response(document, status, ETag=f'"{version}"', **headers)


def _has_already(version: str) -> bool:
    return request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(version)


class EtagCondition(Container[str]):
    """The versions of a document that a request may change (RFC 9110, 13.1.1 and 13.1.2)."""

    def __init__(self, only: ETags | None, never: ETags | None) -> None:
        self._only = only
        self._never = never

    def __contains__(self, version: object) -> bool:
        text = str(version)
        if self._only is not None and not self._only.contains(text):
            return False
        return self._never is None or not self._never.contains_weak(text)


def expected_versions() -> EtagCondition | None:
    """The versions that If-Match and If-None-Match admit; None when neither header is there."""
    only = request.if_match if "If-Match" in request.headers else None
    never = request.if_none_match if "If-None-Match" in request.headers else None
    return EtagCondition(only, never) if only is not None or never is not None else None
