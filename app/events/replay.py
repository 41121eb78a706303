"""What a replay would do with each failure, before it does it."""

from itertools import takewhile
from operator import itemgetter
from typing import NamedTuple

from app.events import failures, outbox
from app.store import View

RUN, SKIP, WAIT = "run", "skip", "wait"


class Step(NamedTuple):
    """One failure of the frozen list. `what`: run, skip (under way) or wait (behind another)."""

    id: str
    what: str
    handler: str
    type: str
    order: str
    error: str


def plan(view: View, selection: failures.Selection) -> list[Step]:
    """The selected failures as they stand now, in the order in which they would be delivered."""
    steps: list[Step] = []
    for entry in sorted(failures.entries(view, selection), key=itemgetter("id")):
        event = entry["event"]
        if entry["state"] == failures.REPLAYING:
            what = SKIP
        else:
            what = WAIT if _is_behind(view, entry["handler"], event) else RUN
        about = (entry["handler"], event["type"], event["subject"], entry["error"])
        steps.append(Step(entry["id"], what, *about))
    return steps


def _is_behind(view: View, handler: str, event: dict[str, str]) -> bool:
    """Whether an earlier event of the same order is dead for the same handler."""
    timeline = outbox.timeline(view, event["subject"])
    earlier = takewhile(lambda record: record["id"] != event["id"], timeline)
    deliveries = (record["deliveries"].get(handler) for record in earlier)
    return any(delivery and delivery["state"] == outbox.DEAD for delivery in deliveries)
