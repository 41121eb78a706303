"""Metrics of the stored documents, read from the store's indexes at each scrape.

The cost of a scrape does not grow with the number of orders.
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
from app.kernel.release import VERSION
from app.orders.documents import ORDERS
from app.store import Store, View


class StoreMetrics:
    """A prometheus_client.registry.Collector; reports free space on the disk of `data`, too."""

    def __init__(self, store: Store, handlers: frozenset[str], data: Path) -> None:
        self._store = store
        self._handlers = sorted(handlers)
        self._data = data

    def collect(self) -> Iterator[Metric]:
        """Return the current values."""
        family = GaugeMetricFamily("daybook_build_info", "The version served.", labels=["version"])
        family.add_metric([VERSION], 1)
        yield family
        yield _gauge(
            "daybook_leader",
            "1 while every event has a process that delivers it.",
            self._store.are_shards_leased(),
        )
        lags = self._store.standby_lags()
        yield _gauge("daybook_standbys", "Standbys of the database that follow it.", len(lags))
        yield _gauge(
            "daybook_replication_lag_bytes",
            "Bytes of the database's log that the standby furthest behind lacks; 0 without one.",
            max(lags, default=0),
        )
        with self._store.read() as view:
            metrics = [*self._from(view)]
        yield from metrics
        disk = os.statvfs(self._data)
        free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        yield _gauge("daybook_disk_free_bytes", "Free space on the disk of the data folder.", free)
        yield _gauge("daybook_disk_size_bytes", "Size of the disk of the data folder.", size)

    def _from(self, view: View) -> Iterator[Metric]:
        for name, description, collection, label, values in (
            ("daybook_orders", "Orders by status.", ORDERS, "status", states.STATUSES),
            (
                "daybook_products",
                "Products by stock status.",
                PRODUCTS,
                "stock_status",
                STOCK_STATUSES,
            ),
            (
                "daybook_failures_waiting",
                "Failed deliveries in failure.json, by handler.",
                FAILURES,
                "handler",
                self._handlers,
            ),
        ):
            family = GaugeMetricFamily(name, description, labels=[label])
            for value in values:
                family.add_metric([value], view.count(collection.name, {label: value}))
            yield family
        yield _gauge(
            "daybook_outbox_events",
            "Events that a handler still has to process.",
            view.count(outbox.OUTBOX.name),
        )
        yield _gauge(
            "daybook_outbox_oldest_age_seconds",
            "Age of the oldest of them, failed ones included; 0 when there is none.",
            _oldest_age_s(view),
        )


def _oldest_age_s(view: View) -> float:
    oldest = view.find(outbox.OUTBOX.name, limit=1).documents
    if not oldest:
        return 0.0
    age = datetime.now(clock.UTC) - clock.parse_time(oldest[0]["event"]["time"])
    return max(age.total_seconds(), 0.0)


def _gauge(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, description, value=value)
