"""Cursors in the addresses of lists on pages, where a wrong cursor means the first page."""

from typing import Any

from app.http.requests.paging import decode_cursor, encode_cursor
from app.kernel.errors import Malformed
from app.store import Document, View, Where


def read_cursor(cursor: str, list_name: str) -> str | None:
    """Return the position where the page begins; None for no cursor or one of another list."""
    try:
        return decode_cursor(cursor, list_name) if cursor else None
    except Malformed:
        return None


def write_cursor(position: str | None, list_name: str) -> str | None:
    """Return the cursor of a position; None when there is no further page."""
    return position and encode_cursor(position, list_name)


def find_page(
    view: View, collection: str, where: Where, cursor: str, list_name: str, **options: Any
) -> tuple[list[Document], str | None]:
    """Return the documents from the cursor on, and the next cursor; `options` as in View.find."""
    found = view.find(collection, where, after=read_cursor(cursor, list_name), **options)
    return found.documents, write_cursor(found.next, list_name)
