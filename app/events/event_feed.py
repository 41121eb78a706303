"""The event feed: all events in commit order, for websites and other systems to poll.

A cursor is the id that was read last. A page ends before the store's id horizon, so no event can
appear before the cursor later. It merges the outbox and the finished events by id, in one view, so
none is missed or repeated while it moves from one to the other. There is no index.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import NamedTuple

from app.events.outbox import EVENTS, OUTBOXES
from app.store import Document, Store, View

BEGINNING = ""
MAX_SCANNED = 200
"""Events that one page reads at most in search of a type: this bounds the cost of a page."""

_PERIODS = (timedelta(seconds=2), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))


class FeedPage(NamedTuple):
    """Events, oldest first; the position of the next page; whether it may have events by now."""

    events: list[Document]
    position: str
    has_more: bool


def read_page(store: Store, position: str, limit: int, event_type: str | None = None) -> FeedPage:
    """At most `limit` events after `position`, of one type if `event_type` is given.

    The events may not be durable yet: see Store.make_durable. A page can have no event of the type
    and still advance, as far as it has scanned.
    """
    max_scanned = MAX_SCANNED if event_type else limit
    horizon = store.id_horizon()
    with store.read() as view:
        scanned = read_records(view, position, max_scanned)
    records = [record for record in scanned if record["id"] < horizon]
    found = [record for record in records if event_type in (None, record["event"]["type"])]
    page = found[:limit]
    is_cut = len(found) > len(page)
    read = page if is_cut else records
    return FeedPage(
        [record["event"] for record in page],
        read[-1]["id"] if read else position,
        is_cut or len(records) == max_scanned,
    )


def read_records(view: View, position: str, limit: int) -> list[Document]:
    """At most `limit` events after `position`, oldest first, each with its deliveries."""
    scans = (view.scan(name, position, limit) for name in (*OUTBOXES, EVENTS.name))
    return list(islice(merge(*scans, key=lambda record: str(record["id"])), limit))


def newest_records(
    view: View, now: datetime, is_wanted: Callable[[Document], bool], limit: int
) -> list[Document]:
    """At most `limit` of the newest events that are wanted, newest first, each with its deliveries.

    Events have no index but their id, so this reads a short period first, and longer ones, up to a
    day, while it finds too few.
    """
    found: list[Document] = []
    for period in _PERIODS:
        records = read_records(view, position_at(now - period), MAX_SCANNED)
        is_cut = len(records) == MAX_SCANNED
        if found and is_cut:
            break  # these end before the newest ones
        found = list(islice(filter(is_wanted, reversed(records)), limit))
        if len(found) == limit or is_cut:
            break
    return found


def position_at(moment: datetime) -> str:
    """The position before all events from `moment` on: a UUIDv7 starts with its time (RFC 9562)."""
    milliseconds = f"{max(int(moment.timestamp() * 1000), 0):012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}"
