"""The formats of log lines: one line whatever the fields hold, and no secret in it."""

import json
from typing import Any

import pytest

from app.observability.log_format import Entry, format_json, format_text, mask_secrets

DIGITS = "01011286-2255-7332-9225-923251180333"
"""An id without letters, which looks like the start of a customer's link."""
AT = 1795252390.113
HOSTILE = [
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
    values: dict[str, Any] = {"at": AT, "level": "info", "message": "it is", "fields": {}} | changes
    return Entry(**values)


def test_a_json_line_has_time_level_message_and_fields() -> None:
    """The time is in UTC; fields that are None are left out."""
    line = format_json(entry(fields={"status": 201, "took_ms": 1.5, "error": None}))
    assert line.endswith("}\n")
    assert json.loads(line) == {
        "time": "2026-11-21T09:13:10.113Z",
        "level": "info",
        "message": "it is",
        "status": 201,
        "took_ms": 1.5,
    }


def test_a_text_line_has_time_level_message_and_fields() -> None:
    line = format_text(entry(fields={"status": 201, "error": None, "name": "tea pot"}))
    assert line == "2026-11-21T09:13:10.113Z info    it is status=201 name=tea pot\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_json_line_stays_one_line(text: str) -> None:
    """It holds no control character, and parses to the original text."""
    line = format_json(entry(message=text, fields={"name": text}, traceback=text))
    assert line.isascii()
    assert line.rstrip("\n").isprintable()
    read = json.loads(line)
    assert read["message"] == read["name"] == read["trouble"] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_line_stays_one_line(text: str) -> None:
    line = format_text(entry(message=text, fields={"name": text}))
    assert line.removesuffix("\n").isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_traceback_cannot_be_mistaken_for_log_lines(text: str) -> None:
    """Each line of a traceback is indented."""
    first, *more = format_text(entry(traceback=f"Traceback\n{text}")).splitlines()
    assert first.endswith("it is")
    assert all(line.startswith("    ") and line.isprintable() for line in more)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ann.smith@example.com is unknown", "***@example.com is unknown"),
        (f"key daybook_0123abcd_{'A1-_' * 10}xyz", "key daybook_0123abcd_***"),
        ("/orders/1001-1kezjHQXjonsxDArUo04h-?x", "/orders/1001-***?x"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
        ("smtp://shop:s3cret@mail.example.com", "smtp://***@mail.example.com"),
        (f"order {DIGITS}", f"order {DIGITS}"),
    ],
)
def test_secrets_in_text_are_masked(text: str, masked: str) -> None:
    """The public part stays: a key's prefix, a link's order number, an address's host."""
    assert mask_secrets(text) == masked
