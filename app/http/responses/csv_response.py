"""CSV responses (RFC 4180): a whole list, streamed, safe to open in a spreadsheet.

A list comes as JSON in pages or as one CSV file, by the client's Accept. CSV is sent while it is
read, one batch at a time, so a long list takes little memory and no long read transaction.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from flask import Response, request

from app.kernel.errors import Malformed

MEDIA_TYPE = "text/csv"
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")
"""Beginnings that spreadsheets take for a formula; the full-width ones in Japanese and Chinese."""

_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)*")

Row = Sequence[object]


def csv_response(name: str, headings: Row, rows: Iterable[Row]) -> Response:
    """The rows as a download called `name`. Raises Malformed for limit, cursor and total.

    The first row is read before the response begins, so an early error still becomes a problem.
    """
    if not {"limit", "cursor", "total"}.isdisjoint(request.args):
        raise Malformed("CSV has no pages: leave limit, cursor and total out, or ask for JSON.")
    rows = iter(rows)
    first = list(next(rows, []))
    lines = _lines(chain([headings], [first] if first else [], rows))
    response = Response(lines, mimetype=MEDIA_TYPE)
    response.headers["Content-Type"] += "; header=present"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def escape_formula(cell: object) -> str:
    """A cell as text, with an apostrophe before what a spreadsheet would run as a formula.

    Text that has one there already gets another, so that unescape_formula gives it back.
    """
    text = "" if cell is None else str(cell)
    return f"'{text}" if _is_escaped(text) else text


def unescape_formula(text: str) -> str:
    """The text that escape_formula made into `text`."""
    return text[1:] if text.startswith("'") and _is_escaped(text[1:]) else text


def _is_escaped(text: str) -> bool:
    return text.lstrip("'").startswith(_FORMULA) and not _NUMBER.fullmatch(text)


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    """The rows as CSV text, in chunks of at least io.DEFAULT_BUFFER_SIZE characters."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([escape_formula(cell) for cell in row])
        if text.tell() > io.DEFAULT_BUFFER_SIZE:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
