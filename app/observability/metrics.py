"""The figures that are counted while the service works, over all its processes.

Under `flask serve` each process keeps its own in a file of a folder that all share (prometheus-
client's multiprocess mode); whoever answers /metrics adds them up. In a single process they are in
memory. Counting takes a microsecond or two, and no disk: the folder is in memory where there is
such a place.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from time import time
from typing import Any, NamedTuple

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
from app.events.dispatch.outcome import DEAD, DONE, HELD, RETRY, Outcome
from app.events.types import PaymentCaptured, PaymentRefunded
from app.kernel import clock
from app.observability.multiprocess import files_of_all, merged

REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SYNC_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
CHECKPOINT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
DELIVERY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
TRANSACTIONS = (1, 2, 4, 8, 16, 32, 64)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PAYMENTS = {PaymentCaptured.type: "captured", PaymentRefunded.type: "refunded"}


class Heartbeat(NamedTuple):
    """What the leading dispatcher said last: when (Unix time), and how overdue its work is."""

    seen: float
    due_s: float


class Metrics:
    """Counts for one application. It observes the store and the deliveries (their `Observer`s)."""

    def __init__(
        self,
        handlers: Iterable[str],
        currency: str,
        *,
        on_commit: Callable[[float], None] | None = None,
    ) -> None:
        self.committed = on_commit or _uncounted
        disable_created_metrics()  # type: ignore[no-untyped-call]  # Prometheus needs none
        self._registry = registry = CollectorRegistry()
        self._requests = Histogram(
            "daybook_http_request_duration_seconds",
            "Time from a request to its answer, by route template, method and status.",
            ("route", "method", "status"),
            buckets=REQUEST_S,
            registry=registry,
        )
        self.streams = Gauge(
            "daybook_live_streams",
            "Open streams of server-sent events.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._batches = Histogram(
            "daybook_commit_batch_transactions",
            "Transactions that were written to the journal as one line.",
            buckets=TRANSACTIONS,
            registry=registry,
        )
        self._syncs = Histogram(
            "daybook_journal_sync_duration_seconds",
            "Time of one fdatasync of the journal.",
            buckets=SYNC_S,
            registry=registry,
        )
        self._checkpoints = Histogram(
            "daybook_checkpoint_duration_seconds",
            "Time to bring the readable files up to date.",
            buckets=CHECKPOINT_S,
            registry=registry,
        )
        self._failed_checkpoints = Counter(
            "daybook_checkpoint_failures",
            "Attempts to bring the readable files up to date that failed.",
            registry=registry,
        )
        self._deliveries = Counter(
            "daybook_deliveries",
            "Attempts to deliver an event: done, retry, held (its peer is down) or dead.",
            ("handler", "outcome"),
            registry=registry,
        )
        self._delivery_s = Histogram(
            "daybook_delivery_delay_seconds",
            "Time from an event to its handler being through with it.",
            ("handler",),
            buckets=DELIVERY_S,
            registry=registry,
        )
        self._money = Counter(
            "daybook_payments_amount",
            "Money captured and refunded, in units of the currency.",
            ("kind", "currency"),
            registry=registry,
        )
        self._due = Gauge(
            "daybook_delivery_due_seconds",
            "For how long the first delivery that could run now has waited, when last looked at.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self._seen = Gauge(
            "daybook_dispatcher_seen_timestamp_seconds",
            "When the leading dispatcher was last at work.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        # making a series takes longer than counting in it
        self._requests_of = cache(self._requests.labels)
        self._deliveries_of = cache(self._deliveries.labels)
        self._delivery_s_of = cache(self._delivery_s.labels)
        self._begin_at_zero(handlers, currency)

    def answered(self, request: Request, status: int, took_s: float) -> None:
        """A request was answered with `status` after `took_s` seconds."""
        rule = request.url_rule
        method = request.method if request.method in _METHODS else "other"
        self._requests_of(rule.rule if rule else "none", method, status).observe(took_s)

    def wrote(self, transactions: int) -> None:
        """See app.store.observer."""
        self._batches.observe(transactions)

    def synced(self, took_s: float) -> None:
        """See app.store.observer."""
        self._syncs.observe(took_s)

    def checkpointed(self, took_s: float) -> None:
        """See app.store.observer."""
        self._checkpoints.observe(took_s)

    def fell_behind(self) -> None:
        """See app.store.observer."""
        self._failed_checkpoints.inc()

    def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
        """See app.events.dispatch.observer."""
        handler, event = delivery.partition.handler, delivery.event
        self._deliveries_of(handler, outcome.kind).inc()
        if outcome.kind != DONE:
            return
        self._delivery_s_of(handler).observe(_seconds_since(event.time))
        if handler == "orders" and event.type in _PAYMENTS and not event.data.get("again"):
            self._count_money(_PAYMENTS[event.type], event.data)

    def record_heartbeat(self, overdue_s: float) -> None:
        """See app.events.dispatch.observer."""
        self._due.set(overdue_s)
        self._seen.set_to_current_time()

    def collect(self) -> Iterable[Metric]:
        """Every figure, of all processes; see prometheus_client.registry.Collector."""
        shared = files_of_all("*")
        return self._registry.collect() if shared is None else merged(shared)

    def heartbeat(self) -> Heartbeat | None:
        """What the leading dispatcher said last; None when none was heard of."""
        shared = files_of_all("gauge_livemostrecent_*")
        metrics = self._seen_and_due() if shared is None else merged(shared)
        told = {sample.name: sample.value for metric in metrics for sample in metric.samples}
        seen = told.get("daybook_dispatcher_seen_timestamp_seconds", 0.0)
        return Heartbeat(seen, told["daybook_delivery_due_seconds"]) if seen else None

    def _seen_and_due(self) -> Iterable[Metric]:
        return [*self._seen.collect(), *self._due.collect()]

    def _begin_at_zero(self, handlers: Iterable[str], currency: str) -> None:
        """Have the series there from the start: Prometheus cannot see an increase from nothing."""
        for handler in handlers:
            self._delivery_s_of(handler)
            for outcome in (DONE, RETRY, HELD, DEAD):
                self._deliveries_of(handler, outcome)
        for kind in _PAYMENTS.values():
            self._money.labels(kind, currency)

    def _count_money(self, kind: str, told: dict[str, Any]) -> None:
        amount = Decimal(told["payment"]["amount"])
        self._money.labels(kind, told["order"]["currency"]).inc(float(amount))


def _uncounted(_waited_s: float) -> None:
    """The time of a commit is in that of its request already."""


def _seconds_since(moment: str) -> float:
    return max(time() - clock.parse_time(moment).timestamp(), 0.0)
