"""The plan of a replay: what it would do with each selected failure."""

from itertools import takewhile
from operator import itemgetter
from typing import NamedTuple

from app.events import failures, outbox
from app.store import Document, View

RUN, SKIP, WAIT = "run", "skip", "wait"


class PlanEntry(NamedTuple):
    """One failure of a plan. `what` is run, skip (under way already) or wait (behind another)."""

    id: str
    what: str
    handler: str
    type: str
    order: str
    error: str


def plan_replay(view: View, selection: failures.Selection) -> list[PlanEntry]:
    """A plan for the selected failures as they are now, in the order of their delivery."""
    entries = sorted(failures.find_entries(view, selection), key=itemgetter("id"))
    return [_plan_entry(view, entry) for entry in entries]


def is_blocked(view: View, entry: Document) -> bool:
    """Whether an earlier event of the same order is dead for the same handler."""
    event, handler = entry["event"], entry["handler"]
    timeline = outbox.timeline(view, event["subject"])
    earlier = takewhile(lambda record: record["id"] != event["id"], timeline)
    deliveries = (record["deliveries"].get(handler) for record in earlier)
    return any(delivery and delivery["state"] == outbox.DEAD for delivery in deliveries)


def _plan_entry(view: View, entry: Document) -> PlanEntry:
    if entry["state"] == failures.REPLAYING:
        what = SKIP
    else:
        what = WAIT if is_blocked(view, entry) else RUN
    event = entry["event"]
    about = (entry["handler"], event["type"], event["subject"], entry["error"])
    return PlanEntry(entry["id"], what, *about)
