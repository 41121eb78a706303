"""The one JSON reader for everything that comes from outside: requests, imports, edited data files.

Python's own reader keeps the last of two equal keys, takes NaN and Infinity, and lets lone
surrogates through (RFC 8259 calls all of these unpredictable). Here they are errors.
"""

import json
from typing import Any, NoReturn

from app.errors import Malformed

MAX_DEPTH = 32
MAX_DIGITS = 64


def loads(data: bytes) -> Any:
    """Read one JSON text in UTF-8. Raises Malformed, with a sentence that says what to change."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"The JSON text is not valid UTF-8 (byte {error.start}).") from None
    if text.startswith("\ufeff"):
        raise Malformed("The JSON text begins with a byte order mark; send plain UTF-8.")
    if not text.strip(" \t\r\n"):
        raise Malformed("The body is empty; a JSON document is required.")
    _refuse_deep(text)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(
            f"Not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None


def _refuse_deep(text: str) -> None:
    """Count brackets outside strings; only a text with many brackets is walked at all."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for piece in _outside_strings(text):
        for character in piece:
            if character in "[{":
                depth += 1
                if depth > MAX_DEPTH:
                    raise Malformed(f"The JSON text is nested more than {MAX_DEPTH} levels deep.")
            elif character in "]}":
                depth -= 1


def _outside_strings(text: str) -> list[str]:
    return text.replace("\\\\", "").replace('\\"', "").split('"')[::2]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"The member {twice[:80]!r} stands twice in one object.")
    return members


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON number.")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Malformed(f"A number has more than {MAX_DIGITS} digits.")
    return int(digits)


def _fraction(digits: str) -> float:
    value = float(digits) if len(digits) <= MAX_DIGITS else float("inf")
    if value in (float("inf"), float("-inf")):
        raise Malformed("A number is too large or has too many digits.")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_no_constant,
    parse_int=_integer,
    parse_float=_fraction,
)
