"""Lists as CSV (RFC 4180), for spreadsheets: whole, streamed, and without formulas.

A list has two forms, JSON by pages and CSV in one; the client's Accept says which. CSV is sent
while it is read, a batch at a time, so its length costs neither memory nor a long hold on the
store.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from flask import Response, request

from app.http.requests.body import JSON
from app.kernel.errors import Malformed
from app.store import Document, Page, Store, View

MEDIA_TYPE = "text/csv"
BATCH = 50
"""How many documents are read at once: a moment for the store, and some kilobytes to send."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)*")

Row = Sequence[object]


def is_wanted() -> bool:
    """Whether the client would rather have CSV than JSON."""
    return request.accept_mimetypes.best_match((JSON, MEDIA_TYPE)) == MEDIA_TYPE


def every(store: Store, find: Callable[[View, str | None, int], Page]) -> Iterator[Document]:
    """All documents of a list, batch by batch; `find` gives the page after a cursor."""
    after = None
    while True:
        with store.read() as view:
            page = find(view, after, BATCH)
        yield from page.documents
        if page.next is None:
            return
        after = page.next


def csv_response(name: str, headings: Row, rows: Iterable[Row]) -> Response:
    """The rows as a download called `name`. Raises Malformed where a page was asked for.

    The first row is read before the answer begins, so that what fails at once is told as a problem.
    """
    if not {"limit", "cursor"}.isdisjoint(request.args):
        raise Malformed("CSV has no pages: leave limit and cursor out, or take JSON.")
    rows = iter(rows)
    first = list(next(rows, []))
    lines = _lines(chain([headings], [first] if first else [], rows))
    response = Response(lines, mimetype=MEDIA_TYPE)
    response.headers["Content-Type"] += "; header=present"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def disarmed(cell: object) -> str:
    """A cell as text; what a spreadsheet would run as a formula gets an apostrophe in front."""
    text = "" if cell is None else str(cell)
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    """The rows as CSV, in pieces of some kilobytes."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([disarmed(cell) for cell in row])
        if text.tell() > io.DEFAULT_BUFFER_SIZE:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
