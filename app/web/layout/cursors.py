"""Cursors in the addresses of lists on pages, where a wrong cursor means the first page."""

from app.http.requests.paging import decode_cursor, encode_cursor
from app.kernel.errors import Malformed


def read_cursor(cursor: str, list_name: str) -> str | None:
    """Return the position where the page begins; None for no cursor or one of another list."""
    try:
        return decode_cursor(cursor, list_name) if cursor else None
    except Malformed:
        return None


def write_cursor(position: str | None, list_name: str) -> str | None:
    """Return the cursor of a position; None when there is no further page."""
    return position and encode_cursor(position, list_name)
