"""How a line of the log is written: as JSON for programs, or as text for people.

Whatever stands in a field, a line stays one line, and no character in it moves a terminal's cursor:
nobody can write a line of their own by what they send. Secrets and the names in mail addresses do
not get there by the fields that we choose; in what errors say of themselves they are masked.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from app.events.dispatch.outcome import mask_addresses
from app.kernel import clock


class Entry(NamedTuple):
    """What is to be logged: `at` in Unix time, `level` as logging names it, in small letters.

    `details` hold texts, numbers and None (which is left out); `trouble` is a traceback, or "".
    """

    at: float
    level: str
    message: str
    details: dict[str, Any]
    trouble: str = ""


Form = Callable[[Entry], str]
"""Writes an entry as one line, or several where there is a traceback in text; ends in a newline."""


def as_json(entry: Entry) -> str:
    """One JSON object, in ASCII."""
    told = {"time": _time(entry.at), "level": entry.level, "message": entry.message}
    told |= entry.details
    if entry.trouble:
        told["trouble"] = entry.trouble
    if None in told.values():
        told = {name: value for name, value in told.items() if value is not None}
    return f"{_dumped(told)}\n"


def as_text(entry: Entry) -> str:
    """Time, level and message, then the details; a traceback stands indented below."""
    details = "".join(
        f" {name}={_harmless(str(value))}"
        for name, value in entry.details.items()
        if value is not None
    )
    first = f"{_time(entry.at)} {entry.level:7} {_harmless(entry.message)}{details}\n"
    return first + "".join(f"    {_harmless(line)}\n" for line in entry.trouble.splitlines())


FORMS: dict[str, Form] = {"json": as_json, "text": as_text}

_DELETE = b"\x7f"
"""The one control character that JSON does not escape."""

_SECRETS = re.compile(
    r"(daybook_[0-9a-f]{8}_)[\w-]{43}|(?<![\w-])(\d{4,}-)[\w-]{22}(?![\w-])|(whsec_)[\w+/=]+"
)
"""API keys, customers' links, and the carrier's secret; what comes first names them to us."""


def without_secrets(text: str) -> str:
    """`text` as it may be logged: what errors say may have been sent by anybody."""
    return mask_addresses(_SECRETS.sub(_stars, text))


def _dumped(told: dict[str, Any]) -> str:
    """As JSON in ASCII; quickly where it is in ASCII already, which nearly every line is."""
    try:
        written = orjson.dumps(told)
    except TypeError:  # half a character, say
        written = b"\xff"
    if written.isascii() and _DELETE not in written:
        return written.decode()
    return json.dumps(told, default=str).replace(_DELETE.decode(), "\\u007f")


def _stars(found: re.Match[str]) -> str:
    return f"{found[1] or found[2] or found[3]}***"


def _time(at: float) -> str:
    second, microseconds = divmod(round(at * 1_000_000), 1_000_000)
    return f"{_second(second)}{microseconds // 1000:03}Z"


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    """The time up to its milliseconds; lines come many to a second."""
    return clock.format_time(datetime.fromtimestamp(at, clock.UTC)).removesuffix("000Z")


def _harmless(text: str) -> str:
    """Everything that cannot be printed as Python would write it in a literal."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
