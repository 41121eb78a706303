"""The event feed: all events in commit order, for websites and other systems to poll.

Event ids are issued under the commit lock and only grow. So a cursor is the id that was read last,
and no event can appear before it later. A page merges the outbox and the finished events by id, in
one view, so none is missed or repeated while it moves from one to the other. There is no index.
"""

from datetime import datetime
from heapq import merge
from itertools import islice
from typing import NamedTuple

from app.events.outbox import EVENTS, OUTBOX
from app.store import Document, View

BEGINNING = ""
MAX_SCANNED = 200
"""Events that one page reads at most in search of a type: this bounds the cost of a page."""


class FeedPage(NamedTuple):
    """Events, oldest first; the position of the next page; whether it may have events by now."""

    events: list[Document]
    position: str
    has_more: bool


def read_page(view: View, position: str, limit: int, event_type: str | None = None) -> FeedPage:
    """At most `limit` events after `position`, of one type if `event_type` is given.

    The events may not be durable yet: see Store.make_durable. A page can have no event of the type
    and still advance, as far as it has scanned.
    """
    max_scanned = MAX_SCANNED if event_type else limit
    scans = (view.scan(name, position, max_scanned) for name in (OUTBOX.name, EVENTS.name))
    by_id = merge(*scans, key=lambda record: str(record["id"]))
    records = list(islice(by_id, max_scanned))
    found = [record for record in records if event_type in (None, record["event"]["type"])]
    page = found[:limit]
    is_cut = len(found) > len(page)
    read = page if is_cut else records
    return FeedPage(
        [record["event"] for record in page],
        read[-1]["id"] if read else position,
        is_cut or len(records) == max_scanned,
    )


def position_at(moment: datetime) -> str:
    """The position before all events from `moment` on: a UUIDv7 starts with its time (RFC 9562)."""
    milliseconds = f"{max(int(moment.timestamp() * 1000), 0):012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}"
