"""The ready queues of all handlers, those of the shop before those of subscribers.

All subscribers together get a few deliveries, and while a handler of the shop has work, one now and
then: other systems cannot slow down the shop.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic

from app.events.dispatch.delivery import Partition
from app.events.dispatch.scheduling.breaker import FIRST_PAUSE_S, Breaker
from app.events.dispatch.scheduling.ready_queue import MAX_DELIVERIES_PER_TAKE, ReadyQueue
from app.events.subscriptions import is_subscriber

Capacity = Callable[[str], int]
"""The number of further deliveries that a handler, given by name, can start now."""


SUBSCRIBER_DELIVERIES_PER_TAKE = 4
"""Deliveries to all subscribers together in one transaction: to send one, and to record how it
ended, takes two to four milliseconds of the interpreter that the next order's deliveries need."""

BUSY_INTERVAL_S = 0.05
"""Between two deliveries to subscribers while the shop has work."""


class ReadyQueues:
    """A ready queue for each handler, made when it is first asked for."""

    def __init__(self) -> None:
        self._own: dict[str, ReadyQueue] = {}
        self._subscribers: dict[str, ReadyQueue] = {}
        self._turns: deque[str] = deque()
        self._paused_until = 0.0

    def __getitem__(self, handler: str) -> ReadyQueue:
        """The ready queue of a handler.

        A subscriber's attempts follow a schedule, which a breaker with long pauses would stretch.
        """
        queues = self._subscribers if is_subscriber(handler) else self._own
        if handler not in queues:
            if queues is self._subscribers:
                self._turns.append(handler)
            breaker = Breaker(FIRST_PAUSE_S) if queues is self._subscribers else Breaker()
            queues[handler] = ReadyQueue(breaker)
        return queues[handler]

    def take(self, capacity: Capacity, *, is_shop_busy: bool) -> list[Partition]:
        """Remove and return some ready partitions: a few of each handler, so that none starves.

        Subscribers get one in BUSY_INTERVAL_S in all while the shop is busy, also with deliveries
        that were taken before.
        """
        taken = [
            partition
            for handler, queue in self._own.items()
            for partition in queue.take(min(MAX_DELIVERIES_PER_TAKE, capacity(handler)))
        ]
        limit = SUBSCRIBER_DELIVERIES_PER_TAKE
        if taken or is_shop_busy:
            limit = 0 if self._pause_s() else 1
        for_subscribers = self._take_for_subscribers(capacity, limit)
        if for_subscribers:
            self._paused_until = monotonic() + BUSY_INTERVAL_S
        return taken + for_subscribers

    def waits_s(self, capacity: Capacity, *, is_shop_busy: bool) -> list[float]:
        """Seconds until each handler that has capacity and work may run."""
        pause_s, waits = self._pause_s() if is_shop_busy else 0.0, []
        for handler, queue in (self._own | self._subscribers).items():
            if capacity(handler) > 0 and (wait_s := queue.wait_s()) is not None:
                waits.append(max(wait_s, pause_s) if is_subscriber(handler) else wait_s)
        return waits

    def overdue_s(self) -> float:
        """Seconds that the longest-waiting partition of the shop's handlers has been ready.

        0 when none is. A subscriber that is slow, or gets more than it can take, is no trouble of
        the shop.
        """
        return max((queue.overdue_s() for queue in self._own.values()), default=0.0)

    def _pause_s(self) -> float:
        """Seconds until a subscriber gets a delivery, if the shop is busy."""
        return max(self._paused_until - monotonic(), 0.0)

    def _take_for_subscribers(self, capacity: Capacity, limit: int) -> list[Partition]:
        """At most `limit` partitions of all subscribers, which begin in turn."""
        taken: list[Partition] = []
        for handler in list(self._turns):
            if len(taken) == limit:
                break
            self._turns.rotate(-1)
            left = min(limit - len(taken), capacity(handler))
            taken += self._subscribers[handler].take(left)
        return taken
