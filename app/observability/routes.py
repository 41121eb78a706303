"""The addresses that machines ask: /livez, /readyz and /metrics."""

from dataclasses import asdict

from flask import Blueprint, Response
from marshmallow import fields
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as TEXT

from app.http.operation import Operation
from app.http.responses.json_response import json_response
from app.observability.metrics import Metrics
from app.observability.readiness import checks, refuse_unready
from app.observability.store_metrics import StoreMetrics
from app.schema.validation import StrictSchema
from app.store import Store


class LiveSchema(StrictSchema):
    """The process answers."""

    live = fields.Boolean(required=True)


class CheckSchema(StrictSchema):
    """What one check found."""

    name = fields.String(required=True)
    ok = fields.Boolean(required=True)
    detail = fields.String(required=True)


class ReadySchema(StrictSchema):
    """The process can do its work. If it cannot, the 503 has `checks`, too."""

    ready = fields.Boolean(required=True)
    checks = fields.List(fields.Nested(CheckSchema), required=True)


def blueprint(
    store: Store, counted: Metrics, stored: StoreMetrics, ready_delay_s: float
) -> Blueprint:
    """The routes; who waits longer than `ready_delay_s` seconds for a delivery is not ready."""
    routes = Blueprint("watching", __name__)
    registry = CollectorRegistry()
    registry.register(counted)
    registry.register(stored)

    @routes.get("/livez")
    @Operation(LiveSchema)
    def livez() -> Response:
        """Liveness probe: 200 while the process serves requests."""
        return json_response({"live": True})

    @routes.get("/readyz")
    @Operation(ReadySchema)
    def readyz() -> Response:
        """Readiness probe: 200 while the disk accepts writes and deliveries are on time."""
        found = checks(store, counted.heartbeat, ready_delay_s)
        refuse_unready(found)
        return json_response({"ready": True, "checks": [asdict(each) for each in found]})

    @routes.get("/metrics")
    def metrics() -> Response:
        """The figures of all processes, as Prometheus reads them."""
        return Response(generate_latest(registry), content_type=TEXT)

    return routes
