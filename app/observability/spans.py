"""Exports OpenTelemetry spans: one for each request, its commit, and each delivery that follows.

An optional extra that needs the packages in requirements-otel.txt. A span is recorded when it has
ended, under the ids that app/kernel/trace.py gave it, so tracing takes no part in the work itself.
"""

import threading
from collections.abc import Mapping
from multiprocessing.util import Finalize
from time import time_ns

from flask import Request
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.semconv.attributes.client_attributes import CLIENT_ADDRESS
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.service_attributes import SERVICE_NAME, SERVICE_VERSION
from opentelemetry.semconv.attributes.url_attributes import URL_SCHEME
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
from app.events.dispatch.observer import Observer
from app.events.dispatch.outcome import DONE, Outcome
from app.kernel import trace
from app.kernel.release import VERSION
from app.kernel.trace import TraceContext
from app.observability.metrics import METHODS

_NS = 1_000_000_000
_SERVER_ERROR = 500

Attributes = Mapping[str, str | int]


class Spans(Observer):
    """Sends spans to `endpoint` (OTLP over HTTP), from a thread that starts with the first one."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._ids = _PresetIds()
        self._lock = threading.Lock()
        self._provider: TracerProvider | None = None
        self._is_closed = False

    def record_request(
        self, span: TraceContext, request: Request, status: int, took_s: float
    ) -> None:
        """Record an answered request by the semantic conventions of HTTP server spans.

        `url.path` is left out, because it can have a customer's link, and so are all headers.
        """
        method = request.method if request.method in METHODS else "_OTHER"
        attributes: dict[str, str | int] = {
            HTTP_REQUEST_METHOD: method,
            HTTP_RESPONSE_STATUS_CODE: status,
            URL_SCHEME: request.scheme,
            CLIENT_ADDRESS: request.remote_addr or "",
        }
        name = "HTTP" if method == "_OTHER" else method
        if rule := request.url_rule:
            attributes[HTTP_ROUTE] = rule.rule
            name = f"{name} {rule.rule}"
        error = f"answered {status}" if status >= _SERVER_ERROR else ""
        if error:
            attributes[ERROR_TYPE] = str(status)
        self._record(name, span, took_s, SpanKind.SERVER, attributes, error)

    def committed(self, waited_s: float) -> None:
        """Record the commit of a request's transaction; see app.store.observer."""
        if span := trace.current():
            self._record("commit", trace.child_of(span), waited_s, SpanKind.INTERNAL, {})

    def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
        """Record a delivery; see app.events.dispatch.observer."""
        if delivery.span is None:
            return
        event, handler = delivery.event, delivery.partition.handler
        attributes: Attributes = {
            "messaging.system": "daybook",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": handler,
            "messaging.message.id": event.id,
            "daybook.handler": handler,
            "daybook.outcome": outcome.kind,
            "daybook.attempt": delivery.attempt,
            "daybook.subject": event.subject,
        }
        took_s = time_ns() / _NS - delivery.began
        error = outcome.error if outcome.kind != DONE else ""
        name = f"{event.type} to {handler}"
        self._record(name, delivery.span, took_s, SpanKind.CONSUMER, attributes, error)

    def flush(self) -> None:
        """Send the recorded spans now."""
        if self._provider:
            self._provider.force_flush()

    def close(self) -> None:
        """Send the recorded spans, and ignore all later ones."""
        self._is_closed = True
        if self._provider:
            self._provider.shutdown()

    def _record(
        self,
        name: str,
        span: TraceContext,
        took_s: float,
        kind: SpanKind,
        attributes: Attributes,
        error: str = "",
    ) -> None:
        if self._is_closed:
            return
        ended = time_ns()
        self._ids.preset(span)
        tracer = self._open().get_tracer("daybook")
        started = ended - round(max(took_s, 0.0) * _NS)
        recorded = tracer.start_span(
            name, _parent(span), kind, attributes, start_time=started, record_exception=False
        )
        if error:
            recorded.set_status(Status(StatusCode.ERROR, error))
        recorded.end(ended)

    def _open(self) -> TracerProvider:
        with self._lock:
            if self._provider is None:
                exporter = OTLPSpanExporter(f"{self._endpoint}/v1/traces")
                resource = Resource.create({SERVICE_NAME: "daybook", SERVICE_VERSION: VERSION})
                self._provider = TracerProvider(id_generator=self._ids, resource=resource)
                self._provider.add_span_processor(BatchSpanProcessor(exporter))
                # workers are children of multiprocessing, which runs finalizers, but not atexit
                Finalize(None, self.close, exitpriority=0)
            return self._provider


class _PresetIds(IdGenerator):
    """Gives the next span of a thread the ids that it already has."""

    def __init__(self) -> None:
        self._next = threading.local()

    def preset(self, span: TraceContext) -> None:
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
