"""The figures of the overview, each at a cost that does not grow with the number of orders.

Counts come from the store's indexes. What has to be added up (money, delays) is read from the
newest orders only, and the money of a large shop is kept for a while, so that nobody reads them for
each view.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal
from statistics import median
from threading import Lock
from time import monotonic
from typing import NamedTuple

from app.events.outbox import DONE, timeline
from app.kernel import clock
from app.kernel import order_states as states
from app.orders.documents import ORDERS
from app.store import Document, Store

DAYS = 14
READ_AT_MOST = 10_000
DELAYS_OF = 50
_BATCH = 500
_REST = 50
"""Adding up is followed by a rest of so many times as long: at most a fiftieth of the time goes."""

_LONGEST_REST_S = 30.0


class Day(NamedTuple):
    """One day of the shop, from its first moment up to the next day's, as app.kernel.clock writes
    them.
    """

    label: str
    low: str
    high: str


class Delay(NamedTuple):
    """How long a handler takes, from the event to its being done, in seconds."""

    handler: str
    median_s: float
    longest_s: float
    number: int


@dataclass(frozen=True)
class Revenue:
    """What was ordered on each day; `is_partial` when there were more orders than were read.

    `due_in_s`: when to ask again because something has changed since they were added up; 0 for
    those that are true now.
    """

    by_day: dict[str, Decimal]
    is_partial: bool
    due_in_s: float = 0.0


def last_days(zone: tzinfo) -> list[Day]:
    """The last fourteen days in `zone`, today at the end."""
    today = datetime.now(zone).date()
    days = []
    for ago in range(DAYS - 1, -1, -1):
        date = today - timedelta(days=ago)
        begins = datetime.combine(date, time(), zone)
        ends = datetime.combine(date + timedelta(days=1), time(), zone) - timedelta(milliseconds=1)
        days.append(
            Day(f"{date.day} {date:%b}", clock.format_time(begins), clock.format_time(ends))
        )
    return days


def orders_on(store: Store, days: list[Day]) -> list[int]:
    """How many orders were placed on each day."""
    with store.read() as view:
        return [view.count(ORDERS.name, low=day.low, high=day.high) for day in days]


class RevenueCache:
    """Adds up what the newest orders come to; in between it remembers, if that took long."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._position = -1
        self._not_before = 0.0
        self._days: list[Day] = []
        self._takings = Revenue({}, is_partial=False)

    def revenue(self, days: list[Day]) -> Revenue:
        """The sums of the orders of each day that were neither cancelled nor failed."""
        with self._lock:
            position = self._store.position()
            if (position, days) == (self._position, self._days):
                return self._takings
            began = monotonic()
            if began < self._not_before and days == self._days:
                return replace(self._takings, due_in_s=self._not_before - began)
            self._takings = _added_up(self._store, days)
            self._days, self._position = days, position
            ended = monotonic()
            self._not_before = ended + min(_REST * (ended - began), _LONGEST_REST_S)
            return self._takings


def delays(store: Store) -> list[Delay]:
    """How long each handler took with the events of the newest fifty orders."""
    with store.read() as view:
        newest = view.find(ORDERS.name, limit=DELAYS_OF, descending=True).documents
        records = [each for order in newest for each in timeline(view, order["order_id"])]
    taken: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for handler, delivery in record["deliveries"].items():
            if delivery["state"] == DONE:
                taken[handler].append(_seconds(record["event"]["time"], delivery["at"]))
    return [
        Delay(handler, median(seconds), max(seconds), len(seconds))
        for handler, seconds in sorted(taken.items())
    ]


def _added_up(store: Store, days: list[Day]) -> Revenue:
    by_day = {day.label: Decimal() for day in days}
    left = READ_AT_MOST
    for order in _newest(store, days[0].low):
        if left == 0:
            return Revenue(by_day, is_partial=True)
        left -= 1
        if order["status"] not in states.VOIDED:
            day = next(
                (each for each in days if each.low <= order["order_date"] <= each.high), None
            )
            if day:
                by_day[day.label] += Decimal(order["total_amount"])
    return Revenue(by_day, is_partial=False)


def _newest(store: Store, since: str) -> Iterator[Document]:
    """The orders since then, newest first; a batch at a time, so that nobody is held up."""
    after: str | None = None
    while True:
        with store.read() as view:
            page = view.find(ORDERS.name, low=since, after=after, limit=_BATCH, descending=True)
        yield from page.documents
        after = page.next
        if after is None:
            return


def _seconds(begin: str, end: str) -> float:
    return max((clock.parse_time(end) - clock.parse_time(begin)).total_seconds(), 0.0)
