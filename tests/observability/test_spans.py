"""OpenTelemetry spans, as an OTLP receiver gets them."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.config import Config
from app.kernel.release import VERSION
from app.observability.spans import Spans
from tests.over_http import place, request_for
from tests.processes.servers import wait_for
from tests.store.faults import full_disk

ROOT = Path(__file__).parents[2]
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Receiver(ThreadingHTTPServer):
    """An OTLP receiver that keeps the spans it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resource: dict[str, str] = {}
        super().__init__(("127.0.0.1", 0), _Take)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


class _Take(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.resource = attributes(resource.resource)
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def attributes(owner: Span | Resource) -> dict[str, Any]:
    """The attributes of a span or of a resource."""
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "")
        for each in owner.attributes
    }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of OTLP over HTTP."""
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


@pytest.fixture
def config(config: Config, receiver: Receiver) -> Config:
    return replace(config, otlp_endpoint=receiver.url, faults=True)


@pytest.fixture
def spans(app: Flask) -> Iterator[Spans]:
    """The exporter of the test's application."""
    spans: Spans = app.extensions["daybook_spans"]
    yield spans
    spans.close()


@pytest.mark.usefixtures("catalogue")
def test_a_trace_leads_from_the_request_to_every_handler(
    client: FlaskClient, settled: Callable[[], None], receiver: Receiver, spans: Spans
) -> None:
    """The caller's span, the request, its commit and the deliveries form one trace."""
    headers = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}
    assert client.post("/order", json=request_for(tea=1), headers=headers).status_code == 201
    settled()
    wait_for("the spans are sent", lambda: _sent(receiver, spans, "payment.captured to orders"))
    (posted,), (commit, *_) = receiver.named("POST /order"), receiver.named("commit")
    (placed,) = receiver.named("order.placed to inventory")
    (reserved,) = receiver.named("inventory.reserved to orders")
    assert {span.trace_id.hex() for span in (posted, commit, placed, reserved)} == {TRACE_ID}
    assert posted.parent_span_id.hex() == SPAN_ID
    assert commit.parent_span_id == placed.parent_span_id == posted.span_id
    assert reserved.parent_span_id == placed.span_id
    assert attributes(placed)["messaging.operation.type"] == "process"
    assert attributes(placed)["messaging.destination.name"] == "inventory"
    assert (posted.kind, placed.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER)
    for span in receiver.spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano


def test_a_request_has_the_attributes_of_the_semantic_conventions(
    client: FlaskClient, receiver: Receiver, spans: Spans
) -> None:
    """Those of HTTP server spans, without path and headers: they can have secrets in them."""
    client.get("/order/1001")
    client.open("/nowhere", method="BREW")
    wait_for("the spans are sent", lambda: _sent(receiver, spans, "HTTP"))
    (asked,), (other,) = receiver.named("GET /order/<order_id>"), receiver.named("HTTP")
    usual = {"url.scheme": "http", "client.address": "127.0.0.1", "http.response.status_code": 404}
    assert attributes(asked) == usual | {
        "http.request.method": "GET",
        "http.route": "/order/<order_id>",
    }
    assert attributes(other) == usual | {"http.request.method": "_OTHER"}
    assert asked.status.code == asked.status.STATUS_CODE_UNSET
    assert receiver.resource["service.name"] == "daybook"
    assert receiver.resource["service.version"] == VERSION


@pytest.mark.usefixtures("catalogue")
def test_a_request_that_fails_has_an_error_type(
    client: FlaskClient, receiver: Receiver, spans: Spans
) -> None:
    """Of 5xx the status; a client's fault is no error of the service."""
    with full_disk(1000):
        assert client.post("/order", json=request_for(tea=1)).status_code == 507
    wait_for("the span is sent", lambda: _sent(receiver, spans, "POST /order"))
    (span,) = receiver.named("POST /order")
    assert attributes(span)["error.type"] == "507"
    assert span.status.code == span.status.STATUS_CODE_ERROR


@pytest.mark.usefixtures("catalogue")
def test_a_failed_delivery_has_an_error_status(
    client: FlaskClient, settled: Callable[[], None], receiver: Receiver, spans: Spans
) -> None:
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, tea=1)
    settled()
    wait_for("the spans are sent", lambda: _sent(receiver, spans, "order.placed to billing"))
    (span,) = receiver.named("order.placed to billing")
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert "a fault switch is on" in span.status.message


@pytest.mark.usefixtures("catalogue")
def test_a_trace_that_is_not_sampled_is_not_sent(
    client: FlaskClient, settled: Callable[[], None], receiver: Receiver, spans: Spans
) -> None:
    """The caller's sampling flag holds for the request and for its events."""
    headers = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-00"}
    assert client.post("/order", json=request_for(tea=1), headers=headers).status_code == 201
    settled()
    client.get("/livez")
    wait_for("the next one is sent", lambda: _sent(receiver, spans, "GET /livez"))
    assert TRACE_ID not in {span.trace_id.hex() for span in receiver.spans}


def test_without_the_extra_the_start_is_refused(tmp_path: Path) -> None:
    """The error says which packages to install."""
    without = "import sys; sys.modules['opentelemetry'] = None; from flask.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "--app", "wsgi", "serve"],
        cwd=ROOT,
        env={"DAYBOOK_DATA": str(tmp_path), "DAYBOOK_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "pip install -r requirements-otel.txt" in done.stderr
    assert "Traceback" not in done.stderr


def _sent(receiver: Receiver, spans: Spans, name: str) -> bool:
    spans.flush()
    return bool(receiver.named(name))
