"""The order of deliveries: a first-in-first-out queue for each partition (order, handler).

Only the head of a queue may run. A dead head blocks its partition, and no other, until a person
replays or discards it. Kept in memory, and rebuilt from the outbox by each new delivery loop.
"""

from bisect import insort

from app.events.dispatch.delivery import Partition
from app.events.outbox import OPEN, PENDING
from app.events.subscriptions import FAN_OUT
from app.store import Document

_State = tuple[str, str | None]
"""The state of a delivery, and the time of its next attempt, if one is set."""


class Partitions:
    """All open deliveries by partition. Event ids sort in the order in which events were emitted.

    A queue holds the ids of the events whose delivery to its handler is pending or dead.
    """

    def __init__(self) -> None:
        self._queues: dict[Partition, list[str]] = {}
        self._states: dict[str, tuple[str, dict[str, _State]]] = {}

    def update(self, event_id: str, record: Document | None) -> list[Partition]:
        """Apply the present state of an outbox record; None when it has left the outbox.

        Returns the partitions in which a state or the time of a retry changed. That is often none,
        because the change feed also reports what the dispatcher itself wrote.
        """
        subject, before = self._states.pop(event_id, ("", {}))
        after: dict[str, _State] = {}
        if record is not None:
            subject = record["event"]["subject"]
            after = {
                name: (delivery["state"], delivery.get("retry_at"))
                for name, delivery in record["deliveries"].items()
            }
            if record.get("subscribers"):
                after[FAN_OUT] = PENDING, None
            self._states[event_id] = subject, after
        if before == after:
            return []
        changed = [name for name in before | after if before.get(name) != after.get(name)]
        for name in changed:
            partition = Partition(subject, name)
            was_open, is_open = (
                name in states and states[name][0] in OPEN for states in (before, after)
            )
            if is_open and not was_open:
                insort(self._queues.setdefault(partition, []), event_id)
            elif was_open and not is_open:
                self._remove(partition, event_id)
        return [Partition(subject, name) for name in changed]

    def head(self, partition: Partition) -> str | None:
        """The event to deliver next in this partition; None when it is empty or blocked."""
        queue = self._queues.get(partition)
        if not queue:
            return None
        _, states = self._states[queue[0]]
        return queue[0] if states[partition.handler][0] == PENDING else None

    def _remove(self, partition: Partition, event_id: str) -> None:
        queue = self._queues[partition]
        queue.remove(event_id)
        if not queue:
            del self._queues[partition]
