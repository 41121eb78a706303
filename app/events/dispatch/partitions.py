"""The order of deliveries: one lane for each (order, handler), first in, first out.

Only the head of a lane may run. A dead head blocks its lane, and nothing else, until somebody
replays or discards it. Kept in memory; rebuilt from the outbox by whoever leads.
"""

from bisect import bisect_left, insort
from typing import NamedTuple

from app.events.outbox import DEAD, OPEN
from app.store import Document


class Partition(NamedTuple):
    """The deliveries of one order's events to one handler."""

    subject: str
    handler: str


class Partitions:
    """All open deliveries. Event ids sort in the order in which events were emitted."""

    def __init__(self) -> None:
        self._queues: dict[Partition, list[str]] = {}
        self._dead: set[tuple[Partition, str]] = set()
        self._states: dict[str, tuple[str, dict[str, str]]] = {}

    def update(self, event_id: str, record: Document | None) -> list[Partition]:
        """Take in how an outbox record stands now (None: it has left).

        Returns the lanes where that is news; mostly it is not, because whoever delivers hears of
        its own doings again.
        """
        subject, before = self._states.pop(event_id, ("", {}))
        if record is None:
            gone = [Partition(subject, handler) for handler in before]
            for partition in gone:
                self._remove(partition, event_id)
            return gone
        subject = record["event"]["subject"]
        states = {handler: delivery["state"] for handler, delivery in record["deliveries"].items()}
        self._states[event_id] = subject, states
        changed = [
            Partition(subject, handler)
            for handler, state in states.items()
            if before.get(handler) != state
        ]
        for partition in changed:
            self._set(partition, event_id, states[partition.handler])
        return changed

    def head(self, partition: Partition) -> str | None:
        """The event that may be delivered next in this lane, or None."""
        queue = self._queues.get(partition)
        if not queue or (partition, queue[0]) in self._dead:
            return None
        return queue[0]

    def _set(self, partition: Partition, event_id: str, state: str) -> None:
        if state not in OPEN:
            self._remove(partition, event_id)
            return
        queue = self._queues.setdefault(partition, [])
        if not _holds(queue, event_id):
            insort(queue, event_id)
        if state == DEAD:
            self._dead.add((partition, event_id))
        else:
            self._dead.discard((partition, event_id))

    def _remove(self, partition: Partition, event_id: str) -> None:
        self._dead.discard((partition, event_id))
        queue = self._queues.get(partition, [])
        if _holds(queue, event_id):
            queue.remove(event_id)
            if not queue:
                del self._queues[partition]


def _holds(queue: list[str], event_id: str) -> bool:
    place = bisect_left(queue, event_id)
    return place < len(queue) and queue[place] == event_id
