"""Keeps pages small, whatever names and lists its documents have: cuts long texts and lists."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeVar

_ESCAPED_BYTES = {"&": 5, "<": 4, ">": 4, "'": 5, '"': 5}
_MAX_CHARACTER_BYTES = 5
_ELLIPSIS = "…"

_Entry = TypeVar("_Entry")


def shorten(text: str, max_bytes: int) -> str:
    """Return the text; its beginning and an ellipsis if it takes more than `max_bytes` in HTML."""
    if len(text) * _MAX_CHARACTER_BYTES <= max_bytes:
        return text
    room, place = max_bytes - len(_ELLIPSIS.encode()), 0
    size = 0
    for character in text:
        size += _ESCAPED_BYTES.get(character) or len(character.encode())
        if size > max_bytes:
            return text[:place] + _ELLIPSIS
        if size <= room:
            place += 1
    return text


def first_that_fit(
    entries: Sequence[_Entry], size_of: Callable[[_Entry], int], max_bytes: int
) -> Sequence[_Entry]:
    """Return the first entries, as many as together take `max_bytes` at most."""
    sizes = accumulate(map(size_of, entries))
    return entries[: sum(size <= max_bytes for size in sizes)]
