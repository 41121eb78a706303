"""Lists: known query parameters only, an opaque cursor, a Link to the next page (RFC 8288)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Response, request
from marshmallow import Schema, ValidationError

from app.http.responses.json_response import json_response
from app.kernel.errors import Malformed
from app.schema.validation import problems
from app.store import Page

_MARK_BYTES = 6


class Paging(NamedTuple):
    """How much of a list is wanted, and from where."""

    limit: int
    after: str | None


def query(schema: Schema) -> dict[str, Any]:
    """The query parameters. Raises Malformed for one that is unknown, repeated, empty or wrong."""
    for name, values in request.args.lists():
        if name not in schema.load_fields:
            known = ", ".join(schema.load_fields)
            raise Malformed(f"Unknown query parameter {name[:50]!r}; known are {known}.")
        if len(values) > 1:
            raise Malformed(f"The query parameter {name} stands more than once.")
        if not values[0]:
            raise Malformed(f"The query parameter {name} is empty; leave it out or give a value.")
    try:
        loaded: dict[str, Any] = schema.load(request.args.to_dict())
    except ValidationError as error:
        faults = [f"{fault.pointer[1:]} {fault.message}" for fault in problems(error.messages)]
        raise Malformed(f"In the query, {'; '.join(faults)}.") from None
    return loaded


def paging(parameters: Mapping[str, Any]) -> Paging:
    """Where the page begins, and its length. Raises Malformed for a cursor of another list."""
    cursor = parameters.get("cursor")
    return Paging(parameters["limit"], None if cursor is None else decoded(cursor, _this_list()))


def page_response(name: str, page: Page, documents: list[Any]) -> Response:
    """A page as {name: [...], "next": cursor or null}, with Link when there is a next one."""
    cursor = None if page.next is None else encoded(page.next, _this_list())
    response = json_response({name: documents, "next": cursor})
    if cursor:
        link = urlencode(request.args.to_dict() | {"cursor": cursor})
        response.headers["Link"] = f'<{request.path}?{link}>; rel="next"'
    return response


def encoded(position: str, list_name: str) -> str:
    """A cursor for `position` in a list; the mark ties the one to the other."""
    return urlsafe_b64encode(_mark(position, list_name) + position.encode()).decode().rstrip("=")


def decoded(cursor: str, list_name: str) -> str:
    """The position. Raises Malformed when the cursor was not given out for this list."""
    try:
        whole = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        position = whole[_MARK_BYTES:].decode()
    except ValueError:
        position, whole = "", b""
    if whole[:_MARK_BYTES] != _mark(position, list_name):
        raise Malformed("The cursor is not one of this list; take it from `next` or Link.")
    return position


def _this_list() -> str:
    """The list that is asked for: its path and filters; a page may be of any length."""
    filters = [each for each in request.args.items() if each[0] not in ("cursor", "limit")]
    return f"{request.path.rstrip('/')}?{urlencode(sorted(filters))}"


def _mark(position: str, list_name: str) -> bytes:
    return blake2b(f"{list_name}\n{position}".encode(), digest_size=_MARK_BYTES).digest()
