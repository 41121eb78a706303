"""Decides which deliveries may run now, by order, retry time, circuit breaker and capacity."""

from collections.abc import Callable, Collection, Iterable, Set
from copy import copy
from datetime import datetime

from app.events.dispatch.delivery import Partition, shard_of
from app.events.dispatch.scheduling.breaker import Breaker
from app.events.dispatch.scheduling.partitions import Partitions
from app.events.dispatch.scheduling.ready_queues import Capacity, ReadyQueues
from app.events.subscriptions import FAN_OUT, is_subscriber
from app.kernel import clock
from app.store import ALL_SHARDS, Document


class Scheduler:
    """Built from the outbox's records alone, and kept up to date by `update`.

    A partition is in one of three states: idle (it is empty or blocked), in its handler's ready
    queue, or in flight, from `take` until the caller calls `release` or `postpone`.

    The caller does so within a transaction, which the store may undo and repeat. It calls `begin`
    before the transaction, and `restart` at the start of each run of it.
    """

    def __init__(self, in_flight: Iterable[Partition], shards: Set[int] = ALL_SHARDS) -> None:
        """`in_flight` are the partitions whose deliveries an earlier loop started.

        Events of other shards than `shards` are delivered by other processes.
        """
        self._shards = shards
        self._partitions = Partitions()
        self._ready = ReadyQueues()
        self._busy = set(in_flight)
        self._own_taken = {each for each in self._busy if not is_subscriber(each.handler)}
        self._taken: dict[Partition, None] = {}
        self.updated: set[str] = set()
        """The events updated since `begin`, which `restart` reads."""
        self._breakers: dict[str, Breaker] = {}

    def begin(self, taken: Iterable[Partition]) -> None:
        """Begin a transaction in which these taken partitions are to run."""
        self._taken = dict.fromkeys(taken)
        self.updated.clear()
        self._breakers.clear()

    def restart(
        self, completed: Collection[Partition], read: Callable[[str], Document | None]
    ) -> list[Partition]:
        """Undo what was done since `begin`; returns the taken partitions, which are in flight.

        These are those of `begin`, and those that an undone run took besides. `completed` are the
        partitions whose completed deliveries the transaction records; they are in flight too.
        `read` returns the present record of an event.
        """
        in_flight = {*completed, *self._taken}
        for partition in in_flight:
            self._ready[partition.handler].discard(partition)
        self._busy.update(in_flight)
        self._own_taken.update(each for each in in_flight if not is_subscriber(each.handler))
        for handler, breaker in self._breakers.items():
            self._ready[handler].breaker = copy(breaker)
        for event_id in sorted(self.updated):
            self.update(event_id, read(event_id))
        return [each for each in self._taken if each not in completed]

    def update(self, event_id: str, record: Document | None) -> None:
        """Apply the present state of an outbox record; None when it has left the outbox."""
        self.updated.add(event_id)
        if record and shard_of(record["event"]["subject"]) not in self._shards:
            record = None
        for partition in self._partitions.update(event_id, record):
            self._enqueue(partition, event_id, record)

    def head(self, partition: Partition) -> str:
        """The event to deliver next in a partition that was taken."""
        return self._partitions.head(partition) or ""

    def is_before_fan_out(self, partition: Partition) -> bool:
        """Whether an earlier event of the order still names subscribers, perhaps this one.

        A recovery can make a later event pending before that.
        """
        if not is_subscriber(partition.handler):
            return False
        named = self._partitions.head(Partition(partition.subject, FAN_OUT))
        return named is not None and named < self.head(partition)

    def take(self, capacity: Capacity) -> list[Partition]:
        """The partitions that may run now: a few of each handler, so that none starves another."""
        taken = self._ready.take(capacity, is_shop_busy=bool(self._own_taken))
        self._own_taken.update(each for each in taken if not is_subscriber(each.handler))
        self._taken.update(dict.fromkeys(taken))
        return taken

    def postpone(self, partition: Partition, delay_s: float) -> None:
        """Put a taken partition back, to run in `delay_s` seconds."""
        self._own_taken.discard(partition)
        self._taken.pop(partition, None)
        self._ready[partition.handler].add(partition, delay_s)

    def release(self, partition: Partition, event_id: str, record: Document | None) -> None:
        """End a taken partition's delivery; `record` is the present state of its event's record."""
        self._busy.discard(partition)
        self._own_taken.discard(partition)
        self.update(event_id, record)
        self._enqueue(partition, event_id, record)

    def wait_s(self, capacity: Capacity, max_wait_s: float) -> float:
        """Seconds until `take` may return a partition, at most `max_wait_s`."""
        waits_s = self._ready.waits_s(capacity, is_shop_busy=bool(self._own_taken))
        return max(0.0, min([max_wait_s, *waits_s]))

    def overdue_s(self) -> float:
        """Seconds that the longest-waiting partition of the shop has been ready; 0 when none is."""
        return self._ready.overdue_s()

    def breaker(self, handler: str) -> Breaker:
        """The circuit breaker of a handler."""
        breaker = self._ready[handler].breaker
        if handler not in self._breakers:
            self._breakers[handler] = copy(breaker)
        return breaker

    def _enqueue(self, partition: Partition, event_id: str, record: Document | None) -> None:
        """Put an idle partition that has a head into its ready queue, or delay its retry there."""
        head = self._partitions.head(partition)
        if head is None:
            return
        deliveries = record["deliveries"] if record and head == event_id else {}
        delivery = deliveries.get(partition.handler, {})
        queue = self._ready[partition.handler]
        if partition not in self._busy:
            self._busy.add(partition)
            queue.add(partition, _until_retry_s(delivery), has_failed="error" in delivery)
        elif delivery and "retry_at" not in delivery:
            queue.expedite(partition)


def _until_retry_s(delivery: Document) -> float:
    """Seconds until the recorded time of the next attempt.

    At most the wait that was chosen after the last one, as the clock may have been set back.
    """
    retry_at: str | None = delivery.get("retry_at")
    if retry_at is None:
        return 0.0
    due = clock.parse_time(retry_at)
    chosen = due - clock.parse_time(delivery.get("at", retry_at))
    return min(due - datetime.now(clock.UTC), chosen).total_seconds()
