"""A line of the log: one line whatever is in it, and no secret in it."""

import json
from typing import Any

import pytest

from app.observability.log_format import Entry, format_json, format_text, mask_secrets

DIGITS = "01011286-2255-7332-9225-923251180333"
"""An id that has no letters, as a link has none before its secret."""
AT = 1795252390.113
NAUGHTY = [
    "a\nb",
    "a\r\n2026-01-01T00:00:00.000Z info    forged",
    '"}\n{"level":"error"',
    "\x1b[2J\x1b[31mred",
    "a\u2028b\u2029c\u0085d",
    "\x7f\x9b1m",
    "\u202eright to left",
    "\x00\x08",
    "half \ud800 a character",
]


def entry(**changes: Any) -> Entry:
    told: dict[str, Any] = {"at": AT, "level": "info", "message": "it is", "fields": {}} | changes
    return Entry(**told)


def test_a_line_for_programs() -> None:
    """Time in UTC, level, message, and the details that there are."""
    line = format_json(entry(fields={"status": 201, "took_ms": 1.5, "error": None}))
    assert line.endswith("}\n")
    assert json.loads(line) == {
        "time": "2026-11-21T09:13:10.113Z",
        "level": "info",
        "message": "it is",
        "status": 201,
        "took_ms": 1.5,
    }


def test_a_line_for_people() -> None:
    line = format_text(entry(fields={"status": 201, "error": None, "name": "tea pot"}))
    assert line == "2026-11-21T09:13:10.113Z info    it is status=201 name=tea pot\n"


@pytest.mark.parametrize("text", NAUGHTY)
def test_a_line_for_programs_stays_one_line(text: str) -> None:
    """And nothing in it moves a cursor; a program reads what was there."""
    line = format_json(entry(message=text, fields={"name": text}, traceback=text))
    assert line.isascii()
    assert line.rstrip("\n").isprintable()
    read = json.loads(line)
    assert read["message"] == read["name"] == read["trouble"] == text


@pytest.mark.parametrize("text", NAUGHTY)
def test_a_line_for_people_stays_one_line(text: str) -> None:
    line = format_text(entry(message=text, fields={"name": text}))
    assert line.removesuffix("\n").isprintable()


@pytest.mark.parametrize("text", NAUGHTY)
def test_a_traceback_cannot_be_taken_for_lines(text: str) -> None:
    """Each of its lines is indented, so none looks like one of the log."""
    first, *more = format_text(entry(traceback=f"Traceback\n{text}")).splitlines()
    assert first.endswith("it is")
    assert all(line.startswith("    ") and line.isprintable() for line in more)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ann.smith@example.com is unknown", "***@example.com is unknown"),
        (f"key daybook_0123abcd_{'A1-_' * 10}xyz", "key daybook_0123abcd_***"),
        ("/orders/1001-1kezjHQXjonsxDArUo04h-?x", "/orders/1001-***?x"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
        ("smtp://shop:s3cret@mail.example.com", "smtp://***@mail.example.com"),
        (f"order {DIGITS}", f"order {DIGITS}"),
    ],
)
def test_what_errors_say_is_masked(text: str, kept: str) -> None:
    """Keys keep the part that names them; of a link the number stays."""
    assert mask_secrets(text) == kept
