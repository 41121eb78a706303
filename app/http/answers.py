"""Answers in JSON, with the version as ETag."""

from typing import Any

import orjson
from flask import Response, request

from app.store import Document


def json_bytes(body: Any) -> bytes:
    """`body` as a JSON text in UTF-8, ended by a newline."""
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    """A JSON answer; header names are given with underscores."""
    response = Response(json_bytes(body), status, mimetype="application/json")
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def etag_of(document: Document) -> str:
    """The strong validator of a document with a version (RFC 9110, 8.8.3)."""
    return f'"{document["version"]}"'


def versioned(document: Document, status: int = 200, **headers: str) -> Response:
    """A document with its ETag; 304 without a body where If-None-Match already names it."""
    etag = etag_of(document)
    if request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(
        str(document["version"])
    ):
        return Response(status=304, headers={"ETag": etag})
    return answer(document, status, ETag=etag, **headers)


def expected_versions() -> frozenset[str] | None:
    """The versions that If-Match admits; None when any will do (RFC 9110, 13.1.1)."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    return frozenset(request.if_match.as_set(include_weak=False))
