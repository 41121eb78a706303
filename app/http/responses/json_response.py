"""JSON responses, with the version of a document as ETag; and the redirect after a form."""

from typing import TYPE_CHECKING, Any

import orjson
from flask import Response, request
from werkzeug.datastructures import Headers

from app.store import Document

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON = "application/json"


def json_bytes(body: Any) -> bytes:
    """`body` as a JSON text in UTF-8, ended by a newline."""
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


class JsonResponse(Response):
    """A response whose headers are final and ASCII."""

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        """Skip Werkzeug's corrections of Location and Content-Length, which cost time."""
        return self.headers


def prefers(media_type: str) -> bool:
    """Whether the client prefers this media type to JSON."""
    return request.accept_mimetypes.best_match((JSON, media_type)) == media_type


def json_response(body: Any, status: int = 200, **headers: str) -> Response:
    """A JSON response; an underscore in a header's name stands for a hyphen."""
    response = JsonResponse(json_bytes(body), status, content_type=JSON)
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def see_other(location: str) -> Response:
    """A redirect to another page, which the browser gets with GET (303, RFC 9110, 15.4.4)."""
    return Response(status=303, headers={"Location": location})


def etag_response(document: Document, status: int = 200, **headers: str) -> Response:
    """A document with its version as a strong ETag (RFC 9110, 8.8.3).

    A GET gets 304 without a body when If-None-Match names that version (weak comparison).
    """
    version = str(document["version"])
    if (
        "HTTP_IF_NONE_MATCH" in request.environ
        and request.method in ("GET", "HEAD")
        and request.if_none_match.contains_weak(version)
    ):
        return Response(status=304, headers={"ETag": f'"{version}"'})
    return json_response(document, status, ETag=f'"{version}"', **headers)
