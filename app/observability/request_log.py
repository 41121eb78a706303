"""Logs, counts and traces each request, from its first hook until its response is complete.

Of the address, only the route's template and the ids in it are logged: a query may name a customer,
and a customer's link is a secret. No header and no body is logged.
"""

import logging
import re
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask, Request, Response, g, request

from app.http.security.identity import current
from app.kernel import trace
from app.kernel.trace import TraceContext
from app.observability.log import LOG, trace_fields
from app.observability.log_format import mask_secrets
from app.observability.metrics import Metrics

if TYPE_CHECKING:
    from app.observability.spans import Spans

REQUEST_ID = "X-Request-Id"

_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_ID_ARGUMENTS = ("order_id", "sku", "key", "handler", "event_id")
_SERVER_ERROR = 500


class RequestInfo(NamedTuple):
    """A request under way: its start (perf_counter), its span and its id."""

    started: float
    span: TraceContext
    request_id: str


def observe_requests(app: Flask, metrics: Metrics, spans: "Spans | None" = None) -> None:
    """Install the hooks. Call it before any other hook is installed.

    Flask runs the first `before_request` hook first and the first `after_request` hook last.
    """
    app.before_request(_begin)

    @app.after_request
    def end(response: Response) -> Response:
        # each access to one of Flask's proxies costs as much as a line of the following
        info: RequestInfo = g.request_info
        this: Request = request._get_current_object()  # type: ignore[attr-defined]  # a proxy
        status = response.status_code
        took_s = perf_counter() - info.started
        metrics.count_request(this, status, took_s)
        response.headers[REQUEST_ID] = info.request_id
        level = logging.WARNING if status >= _SERVER_ERROR else logging.INFO
        if LOG.is_enabled_for(level):
            _log(level, this, info, status, took_s)
        if spans:
            spans.record_request(info.span, this, status, took_s)
        trace.attach(None)
        return response


def _begin() -> None:
    """Continue the caller's trace and request id, or start new ones."""
    headers = request.environ
    traceparent = headers.get("HTTP_TRACEPARENT")
    span = (traceparent and trace.from_traceparent(traceparent)) or trace.new_trace()
    request_id: str = headers.get("HTTP_X_REQUEST_ID", "")
    if not _WELL_FORMED.fullmatch(request_id):
        request_id = span.trace_id
    g.request_info = RequestInfo(perf_counter(), span, request_id)
    trace.attach(span)


def _log(level: int, this: Request, info: RequestInfo, status: int, took_s: float) -> None:
    name = _name(this)
    method, _, route = name.partition(" ")
    fields = {
        "status": status,
        "took_ms": round(took_s * 1000, 1),
        "method": method,
        "route": route,
        "who": current().name,
        "client": this.remote_addr,
        "request_id": info.request_id,
        **trace_fields(info.span),
    }
    if ids := this.view_args:
        fields |= {name: mask_secrets(str(ids[name])[:80]) for name in _ID_ARGUMENTS if name in ids}
    LOG.log(level, f"{name} {status}", fields)


def _name(this: Request) -> str:
    """Return method and route: "none" for an unknown address, whose text may be anything."""
    rule = this.url_rule
    return f"{this.method[:16]} {rule.rule if rule else 'none'}"
