"""NDJSON responses: a whole list, streamed, one JSON document a line."""

from collections.abc import Iterable

from flask import Response, request

from app.http.responses.json_response import JSON, json_bytes
from app.store import Document

MEDIA_TYPE = "application/x-ndjson"


def is_preferred() -> bool:
    """Whether the client prefers NDJSON to JSON."""
    return request.accept_mimetypes.best_match((JSON, MEDIA_TYPE)) == MEDIA_TYPE


def ndjson_response(name: str, documents: Iterable[Document]) -> Response:
    """The documents as a download called `name`."""
    lines = (json_bytes(each).rstrip(b"\n") + b"\n" for each in documents)
    response = Response(lines, mimetype=MEDIA_TYPE)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
