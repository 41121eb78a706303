"""The routes for monitoring: /livez, /readyz and /metrics."""

from flask import Blueprint, Response
from marshmallow import fields
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as TEXT

from app.http.operation import Operation
from app.http.responses.json_response import json_response
from app.kernel.release import VERSION
from app.observability.metrics import Metrics
from app.observability.readiness import refuse_unready, run_checks
from app.observability.store_metrics import StoreMetrics
from app.schema.validation import StrictSchema
from app.store import Store


class LiveSchema(StrictSchema):
    """The process answers, and runs this version of Daybook."""

    live = fields.Boolean(required=True)
    version = fields.String(required=True)


class CheckSchema(StrictSchema):
    """The result of one check."""

    name = fields.String(required=True)
    ok = fields.Boolean(required=True)
    detail = fields.String(required=True)


class ReadySchema(StrictSchema):
    """The process can do its work. The 503 of one that cannot has `checks`, too."""

    ready = fields.Boolean(required=True)
    checks = fields.List(fields.Nested(CheckSchema), required=True)


def blueprint(
    store: Store, metrics: Metrics, store_metrics: StoreMetrics, max_delay_s: float
) -> Blueprint:
    """Return the routes. A delivery that waits longer than `max_delay_s` makes /readyz fail."""
    routes = Blueprint("observability", __name__)
    registry = CollectorRegistry()
    registry.register(metrics)
    registry.register(store_metrics)

    @routes.get("/livez")
    @Operation(LiveSchema)
    def livez() -> Response:
        """Whether the process answers at all; restart one that does not."""
        return json_response({"live": True, "version": VERSION})

    @routes.get("/readyz")
    @Operation(ReadySchema)
    def readyz() -> Response:
        """Whether to send orders here: the disk can be written, and deliveries are in time."""
        results = run_checks(store, metrics.heartbeat, max_delay_s)
        refuse_unready(results)
        return json_response({"ready": True, "checks": [each._asdict() for each in results]})

    @routes.get("/metrics", endpoint="metrics")
    def read_metrics() -> Response:
        """The metrics of all processes in the Prometheus text format."""
        return Response(generate_latest(registry), content_type=TEXT)

    return routes
