"""The statistics of the overview, each at a cost that does not grow with the number of orders.

Counts come from the store's indexes. Sums and delays are computed from the newest orders only, and
the revenue of a large shop is cached, so that page views do not read the orders again.
"""

from collections import defaultdict
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import islice
from statistics import median
from threading import Lock
from time import monotonic
from typing import NamedTuple

from app.events.outbox import DONE, timeline
from app.events.subscriptions import group_of
from app.kernel import clock, shop_day
from app.kernel import order_states as states
from app.orders.documents import ORDERS
from app.store import Page, Store, View
from app.store.matching import read_all

DAYS = 14
MAX_ORDERS_READ = 10_000
DELAY_SAMPLE_ORDERS = 50
_CACHE_FACTOR = 50
"""A sum is cached for this multiple of the time it took: at most 2 % of the time goes into sums."""

_CACHE_MAX_S = 30.0


class Day(NamedTuple):
    """A day of the shop: its date, label, and first and last millisecond as stored times."""

    date: str
    label: str
    low: str
    high: str


class Delay(NamedTuple):
    """The delivery delay of a handler, from the event to its completion."""

    handler: str
    median_s: float
    max_s: float


class Revenue(NamedTuple):
    """The sum of the orders of each day; `partial` are the labels of days not read to the end.

    `due_in_s` is the time until newer sums can be had, when orders have changed since; else 0.
    """

    by_day: dict[str, Decimal]
    partial: frozenset[str] = frozenset()
    due_in_s: float = 0.0


def last_days(zone: tzinfo) -> list[Day]:
    """Return the last fourteen days in `zone`, today last."""
    today = datetime.now(zone).date()
    days = [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
    return [
        Day(day.isoformat(), shop_day.label(day, zone), *shop_day.bounds(day, zone)) for day in days
    ]


def count_by_day(store: Store, days: list[Day]) -> list[int]:
    """Return how many orders were placed on each day."""
    with store.read() as view:
        return [view.count(ORDERS.name, low=day.low, high=day.high) for day in days]


class RevenueCache:
    """Computes the revenue from the newest orders, and caches it when that took long."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._position = -1
        self._valid_until = 0.0
        self._days: list[Day] = []
        self._revenue = Revenue({})

    def revenue(self, days: list[Day]) -> Revenue:
        """Return the sums of the orders of each day in the statuses that are COUNTED."""
        with self._lock:
            position = self._store.position()
            if (position, days) == (self._position, self._days):
                return self._revenue
            began = monotonic()
            if began < self._valid_until and days == self._days:
                return self._revenue._replace(due_in_s=self._valid_until - began)
            self._revenue = _compute_revenue(self._store, days)
            self._days, self._position = days, position
            ended = monotonic()
            self._valid_until = ended + min(_CACHE_FACTOR * (ended - began), _CACHE_MAX_S)
            return self._revenue


def delivery_delays(store: Store) -> list[Delay]:
    """Return each handler's delays with the events of the newest fifty orders."""
    with store.read() as view:
        newest = view.find(ORDERS.name, limit=DELAY_SAMPLE_ORDERS, descending=True).documents
        records = [each for order in newest for each in timeline(view, order["order_id"])]
    delays: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for handler, delivery in record["deliveries"].items():
            if delivery["state"] == DONE:
                begin, end = map(clock.parse_time, (record["event"]["time"], delivery["at"]))
                delays[group_of(handler)].append(max((end - begin).total_seconds(), 0.0))
    return [
        Delay(handler, median(seconds), max(seconds)) for handler, seconds in sorted(delays.items())
    ]


def _compute_revenue(store: Store, days: list[Day]) -> Revenue:
    def find(view: View, after: str | None, limit: int) -> Page:
        return view.find(ORDERS.name, low=days[0].low, after=after, limit=limit, descending=True)

    by_day = {day.label: Decimal() for day in days}
    orders = read_all(store, find)
    for order in islice(orders, MAX_ORDERS_READ):
        if order["status"] in states.COUNTED:
            for day in days:
                if day.low <= order["order_date"] <= day.high:
                    by_day[day.label] += Decimal(order["total_amount"])
    unread = next(orders, None)
    newest_unread = unread["order_date"] if unread else ""
    return Revenue(by_day, frozenset(day.label for day in days if day.low <= newest_unread))
