"""Traces for OpenTelemetry: a span for each request, its commit, and each delivery that follows.

An extra: it takes what stands in requirements-otel.txt. A span is told of when it has ended, under
the ids that app/kernel/trace.py gave it, so whoever traces has no part in the work itself.
"""

import threading
from collections.abc import Mapping
from multiprocessing.util import Finalize
from time import time_ns

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from app.events.dispatch.delivery import Delivery
from app.events.dispatch.outcome import DONE, Outcome
from app.kernel import trace
from app.kernel.trace import TraceContext

_NS = 1_000_000_000
_BROKEN = 500

Attributes = Mapping[str, str | int]


class Spans:
    """Sends spans to `endpoint` (OTLP over HTTP), from a thread that begins with the first one."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._ids = _Ids()
        self._starting = threading.Lock()
        self._provider: TracerProvider | None = None
        self._is_closed = False

    def answered(self, span: TraceContext, name: str, status: int, took_s: float) -> None:
        """A request was answered; `name` is its method and route."""
        trouble = f"answered {status}" if status >= _BROKEN else ""
        told = {"http.response.status_code": status}
        self._tell(name, span, took_s, SpanKind.SERVER, told, trouble)

    def committed(self, waited_s: float) -> None:
        """The transaction of a request is durable; see app.store.observer."""
        if span := trace.current():
            self._tell("commit", trace.child_of(span), waited_s, SpanKind.INTERNAL, {})

    def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
        """See app.events.dispatch.observer."""
        if delivery.span is None:
            return
        event, handler = delivery.event, delivery.partition.handler
        told: Attributes = {
            "messaging.message.id": event.id,
            "daybook.handler": handler,
            "daybook.outcome": outcome.kind,
            "daybook.attempt": delivery.attempt,
            "daybook.subject": event.subject,
        }
        took_s = time_ns() / _NS - delivery.began
        trouble = outcome.error if outcome.kind != DONE else ""
        kind = SpanKind.CONSUMER
        self._tell(f"{event.type} to {handler}", delivery.span, took_s, kind, told, trouble)

    def record_heartbeat(self, overdue_s: float) -> None:
        """Nothing to trace."""

    def flush(self) -> None:
        """Send what has gathered."""
        if self._provider:
            self._provider.force_flush()

    def close(self) -> None:
        """Send what has gathered, and nothing after it."""
        self._is_closed = True
        if self._provider:
            self._provider.shutdown()

    def _tell(
        self,
        name: str,
        span: TraceContext,
        took_s: float,
        kind: SpanKind,
        told: Attributes,
        trouble: str = "",
    ) -> None:
        if self._is_closed:
            return
        ended = time_ns()
        self._ids.give(span)
        tracer = self._started().get_tracer("daybook")
        recorded = tracer.start_span(
            name,
            _parent(span),
            kind,
            told,
            start_time=ended - round(max(took_s, 0.0) * _NS),
            record_exception=False,
        )
        if trouble:
            recorded.set_status(Status(StatusCode.ERROR, trouble))
        recorded.end(ended)

    def _started(self) -> TracerProvider:
        with self._starting:
            if self._provider is None:
                exporter = OTLPSpanExporter(f"{self._endpoint}/v1/traces")
                resource = Resource.create({"service.name": "daybook"})
                self._provider = TracerProvider(id_generator=self._ids, resource=resource)
                self._provider.add_span_processor(BatchSpanProcessor(exporter))
                # workers are children of multiprocessing, which runs finalizers, but not atexit
                Finalize(None, self.close, exitpriority=0)
            return self._provider


class _Ids(IdGenerator):
    """Gives the next span of a thread the ids that it has already."""

    def __init__(self) -> None:
        self._next = threading.local()

    def give(self, span: TraceContext) -> None:
        self._next.span = span

    def generate_span_id(self) -> int:
        return int(self._next.span.span_id, 16)

    def generate_trace_id(self) -> int:
        return int(self._next.span.trace_id, 16)


def _parent(span: TraceContext) -> Context:
    if not span.parent_id:
        return Context()
    flags = TraceFlags(int(span.flags, 16))
    ids = int(span.trace_id, 16), int(span.parent_id, 16)
    return set_span_in_context(NonRecordingSpan(SpanContext(*ids, True, flags)), Context())
