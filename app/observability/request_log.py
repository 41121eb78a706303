"""What is noted of every request, from before anything looks at it until its answer is made.

Of the address only the route's template and the ids in it are logged: a query may name a customer,
and a customer's link is a secret. No header is, and no body.
"""

import logging
import re
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask, Request, Response, g, request

from app.http.security.identity import current
from app.kernel import trace
from app.kernel.trace import TraceContext
from app.observability.log import LOG, ids_of
from app.observability.log_format import without_secrets
from app.observability.metrics import Metrics

if TYPE_CHECKING:
    from app.observability.spans import Spans

REQUEST_ID = "X-Request-Id"

_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_IDS = ("order_id", "shipment_id", "sku", "key", "handler", "event_id")
_BROKEN = 500


class Asked(NamedTuple):
    """A request that is being answered: since when (perf_counter), for which trace, its id."""

    began: float
    span: TraceContext
    request_id: str


def watch(app: Flask, metrics: Metrics, spans: "Spans | None" = None) -> None:
    """Watch the requests of `app`. Call it before anything else hooks into them.

    What is asked to look at requests first, looks at answers last. `spans` are told of each.
    """
    app.before_request(_begin)

    @app.after_request
    def end(answer: Response) -> Response:
        # each look at Flask's proxies costs as much as a line of what follows
        asked: Asked = g.asked
        this: Request = request._get_current_object()  # type: ignore[attr-defined]  # a proxy
        status = answer.status_code
        took_s = perf_counter() - asked.began
        metrics.answered(this, status, took_s)
        answer.headers[REQUEST_ID] = asked.request_id
        level = logging.WARNING if status >= _BROKEN else logging.INFO
        if LOG.wants(level):
            _log(level, this, asked, status, took_s)
        if spans:
            spans.answered(asked.span, _name(this), status, took_s)
        trace.attach(None)
        return answer


def _begin() -> None:
    """The caller's trace goes on, or a new one begins; and so with the request's id."""
    headers = request.environ
    given = headers.get("HTTP_TRACEPARENT")
    span = (given and trace.from_traceparent(given)) or trace.new_trace()
    wanted: str = headers.get("HTTP_X_REQUEST_ID", "")
    is_sound = wanted and _WELL_FORMED.fullmatch(wanted)
    g.asked = Asked(perf_counter(), span, wanted if is_sound else span.trace_id)
    trace.attach(span)


def _log(level: int, this: Request, asked: Asked, status: int, took_s: float) -> None:
    name = _name(this)
    method, _, route = name.partition(" ")
    details = {
        "status": status,
        "took_ms": round(took_s * 1000, 1),
        "method": method,
        "route": route,
        "who": current().name,
        "client": this.remote_addr,
        "request_id": asked.request_id,
        **ids_of(asked.span),
    }
    if ids := this.view_args:
        details |= {name: without_secrets(str(ids[name])[:80]) for name in _IDS if name in ids}
    LOG.tell(level, f"{name} {status}", details)


def _name(this: Request) -> str:
    """Method and route; an address that is none has no route, and may hold anything."""
    rule = this.url_rule
    return f"{this.method[:16]} {rule.rule if rule else 'none'}"
