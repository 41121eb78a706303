"""Pages behind the boxes of the flow: the code of each, the journal's last lines, failure.json."""

from typing import NamedTuple

import orjson
from flask import Blueprint, Response

from app.billing.documents import INVOICE_HISTORY, INVOICES
from app.events.dispatch.jobs import JOB_DAYS
from app.events.failures import FAILURES
from app.events.faults import FAULTS
from app.events.outbox import EVENTS, OUTBOX, SUBSCRIBER_OUTBOX, TIMELINE_PAGES, TIMELINES
from app.inventory.documents import LEDGER, PRODUCTS, RESERVATIONS
from app.kernel.errors import NotFound
from app.orders.documents import ORDER_HISTORY, ORDERS, REFERENCES, SHOP
from app.shipping.documents import SHIPMENTS
from app.web.flow import code
from app.web.flow import standing as places
from app.web.layout.context import PageContext, page

MAX_LINES = 12
MAX_LINE_CHARS = 2400
MAX_STAYING_LINES = 40
"""Lines that an open page keeps after a checkpoint has removed them, a second after they came."""

MAX_FILE_BYTES = 24_000
_JOURNAL_BYTES = 256 * 1024
"""The part of the journal that is read to find MAX_LINES; one line may be longer."""

REFRESH_AFTER_MS = 1000
"""Between two refreshes of the open page of the journal while it has entries: a checkpoint, which
removes them, changes no document."""

SHOWN = {
    each.name
    for each in (
        *(ORDERS, ORDER_HISTORY, REFERENCES, PRODUCTS, LEDGER, RESERVATIONS, SHOP),
        *(INVOICES, INVOICE_HISTORY, SHIPMENTS),
        *(OUTBOX, SUBSCRIBER_OUTBOX, EVENTS, TIMELINES, TIMELINE_PAGES),
        *(FAILURES, FAULTS, JOB_DAYS),
    )
} | {"counters"}
"""Collections whose documents are shown in lines of the journal. Staff may see all of these;
others, such as users and sessions, hold hashes of secrets."""

_TITLES = {
    places.API: "API",
    places.JOURNAL: "Journal",
    places.OUTBOX: "Outbox",
    places.DONE: "Done",
    places.FAILURE: "failure.json",
}
_DOCS = {
    places.API: "docs/api.md",
    places.JOURNAL: "docs/architecture.md",
    places.OUTBOX: "docs/architecture.md",
    places.FAILURE: "docs/operations.md",
}
"""The page of the documentation about a place; that about the others is docs/flow.md."""


class Line(NamedTuple):
    """A line of the journal: its number as a transaction ("" for other lines), and what to show."""

    key: str
    title: str
    text: str


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages."""

    @blueprint.get("/flow/code/<place>")
    def show_code(place: str) -> Response:
        handlers = code.handler_code(context.registry)
        codes = {name: [each] for name, each in code.station_code().items()} | handlers
        if place not in codes:
            raise NotFound("The flow has no such place.")
        docs = _DOCS.get(place, "docs/flow.md")
        return page(
            "flow/code.html",
            title=_TITLES.get(place, place),
            place=place,
            codes=codes[place],
            docs=docs,
            is_handler=place in handlers,
        )

    @blueprint.get("/flow/journal")
    def show_journal() -> Response:
        lines = [line_of(raw) for raw in context.journal_lines(_JOURNAL_BYTES)[-MAX_LINES:]]
        return page(
            "flow/journal.html",
            live=["flow"],
            refresh_after_ms=REFRESH_AFTER_MS if any(line.key for line in lines) else None,
            lines=lines[::-1],
            stay=MAX_STAYING_LINES,
            code=code.station_code()[places.JOURNAL],
        )

    @blueprint.get("/flow/failure.json")
    def show_failure_file() -> Response:
        text = context.file_head(FAILURES.name, MAX_FILE_BYTES).decode("utf-8", "replace")
        return page(
            "flow/failure_file.html",
            live=["flow"],
            text=text,
            is_cut=len(text.encode()) >= MAX_FILE_BYTES,
            code=code.station_code()[places.FAILURE],
        )


def line_of(raw: bytes) -> Line:
    """A line as it stands in the file, but for documents that are not SHOWN."""
    try:
        line = orjson.loads(raw)
    except ValueError:
        return Line("", "A damaged line", "")
    if "seq" not in line:
        kind = "Header of the segment" if "segment" in line else "Line of a checkpoint"
        return Line("", kind, _shortened(raw))
    changed = dict.fromkeys((*line["put"], *line["delete"]))
    if changed.keys() - SHOWN:
        for change in (line["put"], line["delete"]):
            change |= {name: f"{len(change[name])} not shown" for name in change.keys() - SHOWN}
        raw = orjson.dumps(line)
    return Line(str(line["seq"]), f"Entry {line['seq']:,}: {', '.join(changed)}", _shortened(raw))


def _shortened(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    rest = len(text) - MAX_LINE_CHARS
    return text if rest <= 0 else f"{text[:MAX_LINE_CHARS]} … and {rest:,} characters"
