"""The formats of a log line: JSON for programs, text for people.

A line stays one line whatever a field holds, and no character in it moves a terminal's cursor, so
that a client cannot forge a line by what it sends. Log fields are chosen to hold no secrets and no
mail addresses; error messages may hold them, and are masked.
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
    """One log entry: `at` in Unix time, `level` as a logging level's name in lower case.

    `fields` hold strings, numbers and None (which is left out); `traceback` is "" without an error.
    """

    at: float
    level: str
    message: str
    fields: dict[str, Any]
    traceback: str = ""


Format = Callable[[Entry], str]
"""Returns an entry as one line, or several for a traceback as text, with a newline at the end."""


def format_json(entry: Entry) -> str:
    """Format an entry as one JSON object in ASCII."""
    members = {"time": _time(entry.at), "level": entry.level, "message": entry.message}
    members |= entry.fields
    if entry.traceback:
        members["trouble"] = entry.traceback
    if None in members.values():
        members = {name: value for name, value in members.items() if value is not None}
    return f"{_dump_ascii(members)}\n"


def format_text(entry: Entry) -> str:
    """Format an entry as time, level, message and fields; a traceback follows, indented."""
    present = ((name, value) for name, value in entry.fields.items() if value is not None)
    fields = "".join(f" {name}={_escape(str(value))}" for name, value in present)
    first = f"{_time(entry.at)} {entry.level:7} {_escape(entry.message)}{fields}\n"
    return first + "".join(f"    {_escape(line)}\n" for line in entry.traceback.splitlines())


FORMATS: dict[str, Format] = {"json": format_json, "text": format_text}

_DELETE = b"\x7f"
"""The one control character that JSON does not escape."""

_SECRETS = re.compile(
    r"(daybook_[0-9a-f]{8}_)[\w-]{43}|(?<![\w-])(\d{4,}-)[\w-]{22}(?![\w-])|(whsec_)[\w+/=]+"
)
"""API keys, customers' links and the carrier's secret; each group is the part that may be shown."""


def mask_secrets(text: str) -> str:
    """Replace secrets and the names in mail addresses by ***; for text that a client may choose."""
    return mask_addresses(
        _SECRETS.sub(lambda found: f"{found[1] or found[2] or found[3]}***", text)
    )


def _dump_ascii(members: dict[str, Any]) -> str:
    """Serialise to JSON in ASCII; with orjson where its UTF-8 is ASCII, as in nearly every line."""
    try:
        line = orjson.dumps(members)
    except TypeError:  # an unpaired surrogate, say
        line = b"\xff"
    if line.isascii() and _DELETE not in line:
        return line.decode()
    return json.dumps(members, default=str).replace(_DELETE.decode(), "\\u007f")


def _time(at: float) -> str:
    second, microseconds = divmod(round(at * 1_000_000), 1_000_000)
    return f"{_second(second)}{microseconds // 1000:03}Z"


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    """Return the time up to its milliseconds; cached, as many lines share a second."""
    return clock.format_time(datetime.fromtimestamp(at, clock.UTC)).removesuffix("000Z")


def _escape(text: str) -> str:
    """Replace each character that cannot be printed by its escape in a Python string literal."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
