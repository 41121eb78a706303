"""Which deliveries may run now: order within a lane, time and outages at each handler's desk."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from app.events.dispatch.breaker import Breaker
from app.events.dispatch.partitions import Partition, Partitions
from app.events.dispatch.ready_queue import MOST_AT_ONCE, ReadyQueue
from app.events.dispatch.retry import LONGEST_PAUSE_S
from app.kernel import clock
from app.store import Document

Room = Callable[[str], int]
"""How many more deliveries a handler, given by name, can take on now."""


class Schedule:
    """Built from the outbox's records alone, and kept up to date by `update`.

    A lane is either idle (it has no head), on its handler's desk, or in the hands of whoever
    called `take`, until that one calls `release` or `postpone`.
    """

    def __init__(self, under_way: Iterable[Partition]) -> None:
        """`under_way` are lanes whose deliveries an earlier round began."""
        self._lanes = Partitions()
        self._desks: defaultdict[str, ReadyQueue] = defaultdict(ReadyQueue)
        self._busy = set(under_way)

    def update(self, event_id: str, record: Document | None) -> None:
        """Take in how an outbox record stands now; None when it has left the outbox."""
        for partition in self._lanes.update(event_id, record):
            self._offer(partition, event_id, record)

    def head(self, partition: Partition) -> str:
        """The event that is to be delivered next in this lane, which was taken."""
        return self._lanes.head(partition) or ""

    def take(self, room: Room) -> list[Partition]:
        """The lanes that may run now: a few of each handler, so that none waits for another."""
        return [
            partition
            for handler, desk in self._desks.items()
            for partition in desk.take(min(MOST_AT_ONCE, room(handler)))
        ]

    def postpone(self, partition: Partition, wait_s: float) -> None:
        """Have a taken lane wait on its desk for so many seconds."""
        self._desks[partition.handler].put(partition, wait_s)

    def release(self, partition: Partition, event_id: str, record: Document | None) -> None:
        """A taken lane has been dealt with, and this is how the record of its event stands now."""
        self._busy.discard(partition)
        self.update(event_id, record)
        self._offer(partition, event_id, record)

    def wait_s(self, room: Room, longest_s: float) -> float:
        """Seconds until `take` may have something to give, at most `longest_s`."""
        waits = [desk.wait_s() for handler, desk in self._desks.items() if room(handler) > 0]
        return max(0.0, min([longest_s, *(wait_s for wait_s in waits if wait_s is not None)]))

    def due_s(self) -> float:
        """For how many seconds the longest waiting lane could have run; 0 when none could."""
        return max((desk.due_s() for desk in self._desks.values()), default=0.0)

    def breaker(self, handler: str) -> Breaker:
        """The breaker of a handler."""
        return self._desks[handler].breaker

    def _offer(self, partition: Partition, event_id: str, record: Document | None) -> None:
        """Put an idle lane on its desk if it has a head; one that was tried waits for its time."""
        head = self._lanes.head(partition)
        if head is None or partition in self._busy:
            return
        self._busy.add(partition)
        delivery = record["deliveries"][partition.handler] if record and head == event_id else {}
        wait_s = _until_retry_s(delivery)
        self._desks[partition.handler].put(partition, wait_s, has_failed="error" in delivery)


def _until_retry_s(delivery: Document) -> float:
    """Seconds until the next attempt that the delivery tells of, whoever made the last one."""
    retry_at = delivery.get("retry_at")
    if retry_at is None:
        return 0.0
    left = clock.parse_time(retry_at) - datetime.now(clock.UTC)
    return min(left.total_seconds(), 2 * LONGEST_PAUSE_S)
