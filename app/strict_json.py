"""The one JSON reader for everything that comes from outside: requests, imports, edited data files.

Python's own reader keeps the last of two equal keys, takes NaN and Infinity, and lets lone
surrogates through (RFC 8259 calls all of these unpredictable). Here they are errors, and so are
numbers that cannot be kept as they are.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from app.errors import Malformed

MAX_DEPTH = 32
MAX_DIGITS = 64
LEAST_INTEGER, GREATEST_INTEGER = -(2**63), 2**64 - 1

_SPACE = re.compile(r"[ \t\r\n]*")
_BRACKETS = re.compile(r"[\[\]{}]")


def loads(data: bytes) -> Any:
    """Read one JSON text in UTF-8. Raises Malformed, with a sentence that says what to change."""
    text = _text(data)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _syntax(error) from None
    _refuse_surrogates(text, value)
    return value


def elements(data: bytes) -> Iterator[tuple[int, Any]]:
    """The elements of one JSON array in UTF-8, each with the line on which it begins.

    Raises Malformed as `loads` does, once it has come to the fault, and for another value.
    """
    text = _text(data)
    try:
        yield from _elements(text)
    except json.JSONDecodeError as error:
        raise _syntax(error) from None


def _elements(text: str) -> Iterator[tuple[int, Any]]:
    place = _after_space(text, 0)
    if text[place] != "[":
        raise Malformed("An array of objects is required.")
    place = _after_space(text, place + 1)
    line, counted = 1, 0
    closed = text.startswith("]", place)
    while not closed:
        line, counted = line + text.count("\n", counted, place), place
        value, end = _DECODER.raw_decode(text, place)
        _refuse_surrogates(text[place:end], value)
        yield line, value
        place = _after_space(text, end)
        closed = text.startswith("]", place)
        if not closed:
            if not text.startswith(",", place):
                raise json.JSONDecodeError("Expecting ',' delimiter", text, place)
            place = _after_space(text, place + 1)
    if (rest := _after_space(text, place + 1)) < len(text):
        raise json.JSONDecodeError("Extra data", text, rest)


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"The JSON text is not valid UTF-8 (byte {error.start}).") from None
    if text.startswith("\ufeff"):
        raise Malformed("The JSON text begins with a byte order mark; send plain UTF-8.")
    if not text.strip(" \t\r\n"):
        raise Malformed("The JSON text is empty; a document is required.")
    _refuse_deep(text)
    return text


def _refuse_deep(text: str) -> None:
    """Count brackets outside strings; only a text with many brackets is walked at all."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for piece in _outside_strings(text):
        for bracket in _BRACKETS.findall(piece):
            depth += 1 if bracket in "[{" else -1
            if depth > MAX_DEPTH:
                raise Malformed(f"The JSON text is nested more than {MAX_DEPTH} levels deep.")


def _outside_strings(text: str) -> list[str]:
    return text.replace("\\\\", "").replace('\\"', "").split('"')[::2]


def _refuse_surrogates(text: str, value: Any) -> None:
    """Half a surrogate pair can only be written as an escape, and cannot be encoded again."""
    if "\\u" not in text:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed(
            "A \\u escape stands for half a character (a lone surrogate); write both halves."
        ) from None


def _syntax(error: json.JSONDecodeError) -> Malformed:
    return Malformed(f"Not valid JSON: {error.msg} (line {error.lineno}, column {error.colno}).")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise Malformed(f"The member {twice[:80]!r} stands twice in one object.")
    return members


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON number.")


def _integer(digits: str) -> int:
    value = int(digits) if len(digits) <= MAX_DIGITS else GREATEST_INTEGER + 1
    if not LEAST_INTEGER <= value <= GREATEST_INTEGER:
        raise Malformed("An integer has more than 64 bits.")
    return value


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
