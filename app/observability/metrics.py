"""Metrics that are counted while the service works, over all its processes.

Under `flask serve` each process counts in files of its own, in a folder that all share (the
multiprocess mode of prometheus-client); the process that answers /metrics sums them up. A single
process counts in memory. Counting takes one or two microseconds and never waits for a disk: the
folder is in memory where the system offers such a place.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache, partial
from time import time
from typing import NamedTuple

from flask import Request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
)

from app.events.dispatch.delivery import Delivery
from app.events.dispatch.observer import Observer
from app.events.dispatch.outcome import DEAD, DONE, HELD, RETRY, Outcome
from app.events.subscriptions import group_of
from app.events.types import PaymentCaptured, PaymentRefunded
from app.kernel import clock
from app.observability.multiprocess import merge, metric_files

REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SYNC_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
CHECKPOINT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
DELIVERY_S = (*CHECKPOINT_S, 300)
BATCH_TRANSACTIONS = (1, 2, 4, 8, 16, 32, 64)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PAYMENTS = {PaymentCaptured.type: "captured", PaymentRefunded.type: "refunded"}


class Heartbeat(NamedTuple):
    """The last sign of life of the leading dispatcher: when (Unix time), and how late it was."""

    seen: float
    due_s: float


class Metrics(Observer):
    """The metrics of one application; also implements the `Observer` of the store.

    Its callbacks `wrote`, `synced`, `committed`, `checkpointed`, `fell_behind` and
    `waited_for_connection` are attributes: the method that counts in the metric. See
    app.store.observer.
    """

    def __init__(
        self,
        handlers: Iterable[str],
        currency: str,
        *,
        on_commit: Callable[[float], None] | None = None,
    ) -> None:
        """`on_commit` gets the time of each commit, which the metrics count with its request."""
        self.committed = on_commit or (lambda _waited_s: None)
        disable_created_metrics()  # type: ignore[no-untyped-call]  # Prometheus does not need them
        self._registry = registry = CollectorRegistry()
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self._requests = histogram(
            "daybook_http_request_duration_seconds",
            "Time from a request to its response, by route template, method and status.",
            ("route", "method", "status"),
            buckets=REQUEST_S,
        )
        self.streams = gauge(
            "daybook_live_streams",
            "Open streams of server-sent events.",
            multiprocess_mode="livesum",
        )
        self.wrote = histogram(
            "daybook_commit_batch_transactions",
            "Transactions written to the journal as one line.",
            buckets=BATCH_TRANSACTIONS,
        ).observe
        self.synced = histogram(
            "daybook_journal_sync_duration_seconds",
            "Time of one fdatasync of the journal.",
            buckets=SYNC_S,
        ).observe
        self.checkpointed = histogram(
            "daybook_checkpoint_duration_seconds",
            "Time to bring the readable files up to date.",
            buckets=CHECKPOINT_S,
        ).observe
        self.fell_behind = counter(
            "daybook_checkpoint_failures",
            "Attempts to bring the readable files up to date that failed.",
        ).inc
        self.waited_for_connection = histogram(
            "daybook_connection_wait_seconds",
            "Time that a read or a transaction waited for a connection to the database.",
            buckets=REQUEST_S,
        ).observe
        self._deliveries = counter(
            "daybook_deliveries",
            "Attempts to deliver an event: done, discarded (its receiver refused it), retry, "
            "held (its breaker is open) or dead.",
            ("handler", "outcome"),
        )
        self._delivery_delays = histogram(
            "daybook_delivery_delay_seconds",
            "Time from an event to the success of its handler.",
            ("handler",),
            buckets=DELIVERY_S,
        )
        self._payments = counter(
            "daybook_payments_amount",
            "Money captured and refunded, in units of the currency.",
            ("kind", "currency"),
        )
        self._due = gauge(
            "daybook_delivery_due_seconds",
            "How long the oldest delivery that could run has waited, at the last heartbeat.",
            multiprocess_mode="livemostrecent",
        )
        self._seen = gauge(
            "daybook_dispatcher_seen_timestamp_seconds",
            "Time of the leading dispatcher's last heartbeat.",
            multiprocess_mode="livemostrecent",
        )
        # looking up a series takes longer than counting in it
        self._requests_of = cache(self._requests.labels)
        self._deliveries_of = cache(self._deliveries.labels)
        self._delivery_delays_of = cache(self._delivery_delays.labels)
        self._create_series(handlers, currency)

    def count_request(self, request: Request, status: int, took_s: float) -> None:
        """Count a request that was answered with `status` after `took_s` seconds."""
        rule = request.url_rule
        method = request.method if request.method in METHODS else "other"
        self._requests_of(rule.rule if rule else "none", method, status).observe(took_s)

    def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
        """See app.events.dispatch.observer."""
        handler, event = group_of(delivery.partition.handler), delivery.event
        self._deliveries_of(handler, outcome.kind).inc()
        if outcome.kind != DONE:
            return
        delay_s = time() - clock.parse_time(event.time).timestamp()
        self._delivery_delays_of(handler).observe(max(delay_s, 0.0))
        if handler == "orders" and event.type in _PAYMENTS and not event.data.get("again"):
            amount = Decimal(event.data["payment"]["amount"])
            currency = event.data["order"]["currency"]
            self._payments.labels(_PAYMENTS[event.type], currency).inc(float(amount))

    def record_heartbeat(self, overdue_s: float) -> None:
        """See app.events.dispatch.observer."""
        self._due.set(overdue_s)
        self._seen.set_to_current_time()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of all processes; see prometheus_client.registry.Collector."""
        files = metric_files("*")
        return self._registry.collect() if files is None else merge(files)

    def count_done(self) -> dict[str, float]:
        """Return how many deliveries each handler has completed, in all processes."""
        files = metric_files("counter_*")
        metrics = self._deliveries.collect() if files is None else merge(files)
        return {
            sample.labels["handler"]: sample.value
            for metric in metrics
            for sample in metric.samples
            if sample.name == "daybook_deliveries_total" and sample.labels["outcome"] == DONE
        }

    def heartbeat(self) -> Heartbeat | None:
        """Return the last heartbeat of the leading dispatcher; None when there was none."""
        files = metric_files("gauge_livemostrecent_*")
        gauges = [*self._seen.collect(), *self._due.collect()] if files is None else merge(files)
        values = {sample.name: sample.value for gauge in gauges for sample in gauge.samples}
        seen = values.get("daybook_dispatcher_seen_timestamp_seconds", 0.0)
        return Heartbeat(seen, values["daybook_delivery_due_seconds"]) if seen else None

    def _create_series(self, handlers: Iterable[str], currency: str) -> None:
        """Create all series at zero: Prometheus sees no increase in a series that was not there."""
        for handler in handlers:
            self._delivery_delays_of(handler)
            for outcome in (DONE, RETRY, HELD, DEAD):
                self._deliveries_of(handler, outcome)
        for kind in _PAYMENTS.values():
            self._payments.labels(kind, currency)
