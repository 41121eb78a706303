"""Pages of a list: its query parameters, opaque cursors, a Link to the next page (RFC 8288)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Response, request
from marshmallow import Schema, ValidationError

from app.http.responses.json_response import json_response
from app.kernel.errors import Malformed
from app.schema.validation import problems
from app.store import Page

_CHECKSUM_BYTES = 6
_OF_PAGE = frozenset({"cursor", "limit", "total"})


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
        if len(values) > 1:
            raise Malformed(f"The query parameter {name} is given more than once.")
        if not values[0]:
            raise Malformed(f"The query parameter {name} is empty; leave it out or give a value.")
    try:
        loaded: dict[str, Any] = schema.load(request.args.to_dict())
    except ValidationError as error:
        faults = [f"{fault.pointer[1:]} {fault.message}" for fault in problems(error.messages)]
        raise Malformed(f"In the query, {'; '.join(faults)}.") from None
    return loaded


def page_request(parameters: Mapping[str, Any]) -> PageRequest:
    """The page that the query asks for. Raises Malformed for a cursor of another list."""
    cursor = parameters.get("cursor")
    after = None if cursor is None else decode_cursor(cursor, _list_name())
    return PageRequest(parameters["limit"], after)


def total_of(parameters: Mapping[str, Any], count: Callable[[], int] | None) -> int | None:
    """The number of entries of the list if the query asks for it, as `count` finds it.

    Raises Malformed where the list cannot be counted without reading it (`count` is None).
    """
    if parameters.get("total") != "true":
        return None
    if count is None:
        raise Malformed("A search has no total, because it is not counted; leave total out.")
    return count()


def page_response(
    name: str, page: Page, documents: list[Any], total: int | None = None
) -> Response:
    """A page as {name: [...], "next": cursor or null}, with a Link when there is a next page.

    A `total` is a member, too.
    """
    cursor = None if page.next is None else encode_cursor(page.next, _list_name())
    counted = {} if total is None else {"total": total}
    response = json_response({name: documents, "next": cursor} | counted)
    if cursor:
        link = urlencode(request.args.to_dict() | {"cursor": cursor})
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
    filters = [each for each in request.args.items() if each[0] not in _OF_PAGE]
    return f"{request.path.rstrip('/')}?{urlencode(sorted(filters))}"


def _checksum(position: str, list_name: str) -> bytes:
    return blake2b(f"{list_name}\n{position}".encode(), digest_size=_CHECKSUM_BYTES).digest()
