"""What a replay would do with each failure, before it does it."""

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
    for key in sorted(failures.find(view, selection)):
        entry = view.get(failures.FAILURES.name, key)
        if entry is None:
            continue
        event = entry["event"]
        if entry["state"] == failures.REPLAYING:
            what = SKIP
        else:
            what = WAIT if _is_behind(view, entry["handler"], event) else RUN
        steps.append(
            Step(key, what, entry["handler"], event["type"], event["subject"], entry["error"])
        )
    return steps


def _is_behind(view: View, handler: str, event: dict[str, str]) -> bool:
    """Whether an earlier event of the same order is dead for the same handler."""
    for record in outbox.timeline(view, event["subject"]):
        if record["id"] == event["id"]:
            return False
        delivery = record["deliveries"].get(handler)
        if delivery and delivery["state"] == outbox.DEAD:
            return True
    return False
