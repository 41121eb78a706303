"""The feed: what happened since somebody last looked, for websites and other systems outside.

The ids of events are given out under the store's lock and only grow, so their order is the order of
the commits, and a position in the feed is the id that was seen last: no event can appear before it
later. Events are looked up by id in the outbox and among the finished ones, in one view, so none is
missed or told twice while it moves from the one to the other. No index is kept for this.
"""

from datetime import datetime
from heapq import merge
from itertools import islice
from typing import NamedTuple

from app.events.outbox import EVENTS, OUTBOX
from app.store import Document, View

BEGINNING = ""
LOOKED_AT = 200
"""Events that one answer looks at, at most, in search of a type: so each answer costs alike."""


class News(NamedTuple):
    """Events, oldest first; where the next answer begins; whether there may be more by now."""

    events: list[Document]
    position: str
    has_more: bool


def news(view: View, position: str, limit: int, event_type: str | None = None) -> News:
    """At most `limit` events after `position`, of that type if one is given.

    Not durable yet: see Store.make_durable. It may find none of the type and still move on, as far
    as it has looked.
    """
    look = LOOKED_AT if event_type else limit
    records = _records(view, position, look)
    found = [record for record in records if event_type in (None, record["event"]["type"])]
    told = found[:limit]
    is_cut = len(found) > len(told)
    seen = told if is_cut else records
    return News(
        [record["event"] for record in told],
        seen[-1]["id"] if seen else position,
        is_cut or len(records) == look,
    )


def position_at(moment: datetime) -> str:
    """The position before every event from `moment` on: ids begin with their time (RFC 9562)."""
    milliseconds = f"{max(int(moment.timestamp() * 1000), 0):012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}"


def _records(view: View, position: str, limit: int) -> list[Document]:
    both = (view.scan(name, position, limit) for name in (OUTBOX.name, EVENTS.name))
    return list(islice(merge(*both, key=lambda record: str(record["id"])), limit))
