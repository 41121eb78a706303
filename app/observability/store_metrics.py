"""The figures that stand in the books: read from the store's indexes when somebody asks.

Each costs next to nothing, however many orders there are.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric

from app.events import outbox
from app.events.failures import FAILURES
from app.inventory.documents import PRODUCTS
from app.inventory.schemas import STOCK_STATUSES
from app.kernel import clock
from app.kernel import order_states as states
from app.orders.documents import ORDERS
from app.store import Store, View


class StoreMetrics:
    """See prometheus_client.registry.Collector. `data` is where the disk is looked at."""

    def __init__(self, store: Store, handlers: frozenset[str], data: Path) -> None:
        self._store = store
        self._handlers = sorted(handlers)
        self._data = data

    def collect(self) -> Iterator[Metric]:
        """The figures as they stand now."""
        yield _one("daybook_leader", "1 while some dispatcher leads.", self._store.has_leader())
        with self._store.read() as view:
            metrics = [*self._from(view)]
        yield from metrics
        yield from _disk(self._data)

    def _from(self, view: View) -> Iterator[Metric]:
        yield _by("daybook_orders", "Orders by status.", "status", _orders(view))
        yield _by("daybook_products", "Products by stock status.", "stock_status", _products(view))
        yield _by(
            "daybook_failures_waiting",
            "Deliveries in failure.json that wait for a person, by handler.",
            "handler",
            {each: view.count(FAILURES.name, {"handler": each}) for each in self._handlers},
        )
        yield _one(
            "daybook_outbox_events",
            "Events that some handler still has to deal with.",
            view.count(outbox.OUTBOX.name),
        )
        yield _one(
            "daybook_outbox_oldest_age_seconds",
            "Age of the oldest of them, failed ones included; 0 when there is none.",
            _oldest_age_s(view),
        )


def _orders(view: View) -> dict[str, int]:
    return {each: view.count(ORDERS.name, {"status": each}) for each in states.STATUSES}


def _products(view: View) -> dict[str, int]:
    return {each: view.count(PRODUCTS.name, {"stock_status": each}) for each in STOCK_STATUSES}


def _oldest_age_s(view: View) -> float:
    oldest = view.find(outbox.OUTBOX.name, limit=1).documents
    if not oldest:
        return 0.0
    age = datetime.now(clock.UTC) - clock.parse_time(oldest[0]["event"]["time"])
    return max(age.total_seconds(), 0.0)


def _disk(folder: Path) -> Iterator[Metric]:
    room = os.statvfs(folder)
    free, size = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    yield _one("daybook_disk_free_bytes", "Room on the disk of the data folder.", free)
    yield _one("daybook_disk_size_bytes", "Size of the disk of the data folder.", size)


def _one(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value=value)


def _by(name: str, told: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
