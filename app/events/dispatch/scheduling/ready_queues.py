"""The ready queues of all handlers, those of the shop before those of subscribers.

All subscribers together get as much as one handler, and while a handler of the shop has work, one
delivery in each iteration: other systems cannot slow down the shop.
"""

from collections import deque
from collections.abc import Callable

from app.events.dispatch.delivery import Partition
from app.events.dispatch.scheduling.breaker import FIRST_PAUSE_S, Breaker
from app.events.dispatch.scheduling.ready_queue import MAX_DELIVERIES_PER_TAKE, ReadyQueue
from app.events.subscriptions import is_subscriber

Capacity = Callable[[str], int]
"""The number of further deliveries that a handler, given by name, can start now."""


class ReadyQueues:
    """A ready queue for each handler, made when it is first asked for."""

    def __init__(self) -> None:
        self._own: dict[str, ReadyQueue] = {}
        self._subscribers: dict[str, ReadyQueue] = {}
        self._turns: deque[str] = deque()

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

        Subscribers get one in all while the shop is busy with deliveries that were taken before.
        """
        taken = [
            partition
            for handler, queue in self._own.items()
            for partition in queue.take(min(MAX_DELIVERIES_PER_TAKE, capacity(handler)))
        ]
        limit = 1 if taken or is_shop_busy else MAX_DELIVERIES_PER_TAKE
        return taken + self._take_for_subscribers(capacity, limit)

    def waits_s(self, capacity: Capacity) -> list[float]:
        """Seconds until each handler that has capacity and work may run."""
        queues = (self._own | self._subscribers).items()
        waits = [queue.wait_s() for handler, queue in queues if capacity(handler) > 0]
        return [wait_s for wait_s in waits if wait_s is not None]

    def overdue_s(self) -> float:
        """Seconds that the longest-waiting partition of the shop's handlers has been ready.

        0 when none is. A subscriber that is slow, or gets more than it can take, is no trouble of
        the shop.
        """
        return max((queue.overdue_s() for queue in self._own.values()), default=0.0)

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
