"""Strict JSON parser for all outside data: requests, imports, edited data files.

Python's json module keeps the last of two equal keys, accepts NaN and Infinity, and lets lone
surrogates through (RFC 8259 calls all of these unpredictable). Here they are errors, and so are
numbers that cannot be stored exactly. A text that is not JSON, or is too costly to parse, is
Malformed; valid JSON with a value that cannot be stored is Invalid.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import Any, NoReturn

from app.kernel.errors import MAX_PROBLEMS, Invalid, Malformed, Problem, pointer_step

MAX_DEPTH = 32
MAX_DIGITS = 64
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1

_LONE_SURROGATE = "must not have a lone surrogate; write both halves of the pair"
_SPACE = re.compile(r"[ \t\r\n]*")
_BRACKETS = re.compile(r"[\[\]{}]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def loads(data: bytes) -> Any:
    """Parse one JSON text in UTF-8.

    Raises Malformed, and Invalid with a pointer to each lone surrogate and to each integer of more
    than 64 bits.
    """
    text = _text(data)
    try:
        value, end = _value_at(text, _after_space(text, 0))
        if (rest := _after_space(text, end)) < len(text):
            raise json.JSONDecodeError("Extra data", text, rest)
    except json.JSONDecodeError as error:
        raise _syntax(error) from None
    return value


def elements(data: bytes) -> Iterator[tuple[int, Any]]:
    """Parse a JSON array in UTF-8 element by element; each comes with the line on which it begins.

    Raises Malformed for whatever `loads` refuses, on reaching it, and for a text without an array.
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
        try:
            value, end = _value_at(text, place)
        except Invalid as error:
            raise Malformed(f"In the element on line {line}, {error}.") from None
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
    _check_depth(text)
    return text


def _check_depth(text: str) -> None:
    """Raise Malformed over MAX_DEPTH levels; only a text with many brackets is scanned."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    outside_strings = text.replace("\\\\", "").replace('\\"', "").split('"')[::2]
    for bracket in chain.from_iterable(map(_BRACKETS.findall, outside_strings)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise Malformed(f"The JSON text is nested more than {MAX_DEPTH} levels deep.")


def _value_at(text: str, place: int) -> tuple[Any, int]:
    """The value that begins at `place`, and the place after it. Raises Invalid."""
    try:
        value, end = _DECODER.raw_decode(text, place)
        # a lone surrogate can only be written as an escape
        has_escape = text.find("\\u", place, end) >= 0
        is_storable = not (has_escape and _SURROGATE.search(json.dumps(value, ensure_ascii=False)))
    except _TooManyBits:
        value, end = _DECODER_OF_ANY_SIZE.raw_decode(text, place)
        is_storable = False
    if not is_storable:
        raise Invalid(list(islice(_problems(value), MAX_PROBLEMS)))
    return value, end


def _problems(value: Any, pointer: str = "") -> Iterator[Problem]:
    """The values that cannot be stored, anywhere in `value`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if _SURROGATE.search(name):
                yield Problem(pointer + pointer_step(name), _LONE_SURROGATE)
            yield from _problems(inner, pointer + pointer_step(name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _problems(inner, f"{pointer}/{place}")
    elif isinstance(value, str) and _SURROGATE.search(value):
        yield Problem(pointer, _LONE_SURROGATE)
    elif isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        yield Problem(pointer, "must be an integer of at most 64 bits")


def _syntax(error: json.JSONDecodeError) -> Malformed:
    return Malformed(f"Not valid JSON: {error.msg} (line {error.lineno}, column {error.colno}).")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise Malformed(f"The member {twice[:80]!r} occurs twice in one object.")
    return members


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON number.")


class _TooManyBits(Exception):
    """An integer has more than 64 bits; a second pass with _DECODER_OF_ANY_SIZE locates it."""


def _integer_of_any_size(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Malformed(f"An integer has more than {MAX_DIGITS} digits.")
    return int(digits)


def _integer(digits: str) -> int:
    value = _integer_of_any_size(digits)
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        raise _TooManyBits
    return value


def _fraction(digits: str) -> float:
    value = float(digits) if len(digits) <= MAX_DIGITS else float("inf")
    if value in (float("inf"), float("-inf")):
        raise Malformed("A number is too large or has too many digits.")
    return value


_decoder = partial(
    json.JSONDecoder, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_fraction
)
_DECODER = _decoder(parse_int=_integer)
_DECODER_OF_ANY_SIZE = _decoder(parse_int=_integer_of_any_size)
