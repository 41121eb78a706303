"""NDJSON responses: a whole list, streamed, one JSON document a line."""

from collections.abc import Iterable

from flask import Response

from app.http.responses.json_response import json_bytes
from app.store import Document

MEDIA_TYPE = "application/x-ndjson"


def ndjson_response(name: str, documents: Iterable[Document]) -> Response:
    """The documents as a download called `name`."""
    response = Response(map(json_bytes, documents), mimetype=MEDIA_TYPE)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
