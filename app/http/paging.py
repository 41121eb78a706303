"""Query parameters of lists: known names only, an opaque cursor, a Link to the next page (RFC 8288)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Response, request

from app.errors import Malformed
from app.http.answers import answer
from app.store import Page

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class Paging(NamedTuple):
    """How much of a list is wanted, and from where."""

    limit: int
    after: str | None


def query_parameters(allowed: Sequence[str]) -> dict[str, str]:
    """The query parameters. Raises Malformed for an unknown name, a repeated one or an empty value."""
    for name, values in request.args.lists():
        if name not in allowed:
            raise Malformed(
                f"Unknown query parameter {name[:50]!r}; known are {', '.join(allowed)}."
            )
        if len(values) > 1:
            raise Malformed(f"The query parameter {name} stands more than once.")
        if not values[0]:
            raise Malformed(f"The query parameter {name} is empty; leave it out or give a value.")
    return request.args.to_dict()


def paging(parameters: dict[str, str]) -> Paging:
    """`limit` (1 and up; over 200 counts as 200) and `cursor`. Raises Malformed."""
    text = parameters.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise Malformed("limit must be a whole number from 1.")
    return Paging(min(int(text), MAX_LIMIT), _decoded(parameters.get("cursor")))


def page_answer(name: str, page: Page, documents: list[Any]) -> Response:
    """A page as {name: [...], "next": cursor or null}, with Link when there is a next one."""
    cursor = None if page.next is None else _encoded(page.next)
    response = answer({name: documents, "next": cursor})
    if cursor:
        query = urlencode(request.args.to_dict() | {"cursor": cursor})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


def _encoded(position: str) -> str:
    return urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _decoded(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise Malformed("The cursor is not one of ours; take it from `next` or Link.") from None
