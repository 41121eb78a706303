"""Pages of a list: its query parameters, opaque cursors, a Link to the next page (RFC 8288)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Response, request
from marshmallow import Schema, ValidationError, fields

from app.http.responses.json_response import json_response
from app.kernel.errors import Malformed
from app.schema.validation import problems
from app.store import Page

_CHECKSUM_BYTES = 6
_OF_PAGE = frozenset({"cursor", "limit", "total"})


Total = dict[str, int | None]
"""The member `total` of a page, or nothing."""


class PageRequest(NamedTuple):
    """The page that a client asks for: its length, and the position after which it begins."""

    limit: int
    after: str | None


def load_query(schema: Schema) -> dict[str, Any]:
    """The query parameters, read by `schema`. Raises Malformed for any that it does not allow."""
    for name, values in request.args.lists():
        if name not in schema.load_fields:
            known = ", ".join(schema.load_fields)
            raise Malformed(f"Unknown query parameter {name[:50]!r}; known are {known}.")
        if len(values) > 1 and not isinstance(schema.load_fields[name], fields.List):
            raise Malformed(f"The query parameter {name} is given more than once.")
        if not all(values):
            raise Malformed(f"The query parameter {name} is empty; leave it out or give a value.")
    try:
        loaded: dict[str, Any] = schema.load(_query())
    except ValidationError as error:
        faults = [f"{fault.pointer[1:]} {fault.message}" for fault in problems(error.messages)]
        raise Malformed(f"In the query, {'; '.join(faults)}.") from None
    return loaded


def page_request(parameters: Mapping[str, Any]) -> PageRequest:
    """The page that the query asks for. Raises Malformed for a cursor of another list."""
    cursor = parameters.get("cursor")
    after = None if cursor is None else decode_cursor(cursor, _list_name())
    return PageRequest(parameters["limit"], after)


def total_of(parameters: Mapping[str, Any], count: Callable[[], int] | None) -> Total:
    """The member `total` of a page, as `count` finds it; empty unless the query asks for it.

    It is null where the list cannot be counted without reading it (`count` is None).
    """
    return {"total": count() if count else None} if parameters.get("total") == "true" else {}


def page_response(name: str, page: Page, documents: list[Any], total: Total) -> Response:
    """A page as {name: [...], "next": cursor or null} and `total` (see total_of).

    It has a Link when there is a next page.
    """
    cursor = None if page.next is None else encode_cursor(page.next, _list_name())
    response = json_response({name: documents, "next": cursor, **total})
    if cursor:
        link = urlencode(_query() | {"cursor": cursor})
        response.headers["Link"] = f'<{request.path}?{link}>; rel="next"'
    return response


def encode_cursor(position: str, list_name: str) -> str:
    """A cursor for `position` in a list: a checksum of both, then the position, in base64url."""
    decoded = _checksum(position, list_name) + position.encode()
    return urlsafe_b64encode(decoded).decode().rstrip("=")


def decode_cursor(cursor: str, list_name: str) -> str:
    """The position in a cursor. Raises Malformed when `encode_cursor` made it for another list."""
    try:
        decoded = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        position = decoded[_CHECKSUM_BYTES:].decode()
    except ValueError:
        position, decoded = "", b""
    if decoded[:_CHECKSUM_BYTES] != _checksum(position, list_name):
        raise Malformed("This cursor does not belong to this list; take it from `next` or Link.")
    return position


def _list_name() -> str:
    """The list that the request names: its path and filters."""
    filters = sorted(each for each in _query().items() if each[0] not in _OF_PAGE)
    return f"{request.path.rstrip('/')}?{urlencode(filters)}"


def _query() -> dict[str, str]:
    """The query parameters; one that is repeated, as some clients send a list, with commas."""
    return {name: ",".join(values) for name, values in request.args.lists()}


def _checksum(position: str, list_name: str) -> bytes:
    return blake2b(f"{list_name}\n{position}".encode(), digest_size=_CHECKSUM_BYTES).digest()
