"""Errors as RFC 9457 problem details, and the one table from error to status."""

import logging
import secrets
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from app import errors
from app.http.answers import json_bytes

log = logging.getLogger(__name__)

STATUS: dict[type[errors.DaybookError], tuple[int, str]] = {
    errors.Malformed: (400, "Malformed request"),
    errors.Invalid: (422, "Invalid document"),
    errors.NotFound: (404, "Not found"),
    errors.Conflict: (409, "Conflict"),
    errors.Stale: (412, "Stale version"),
    errors.Forbidden: (403, "Forbidden"),
    errors.Unavailable: (503, "Temporarily unavailable"),
    errors.StorageFull: (507, "Out of disk space"),
    errors.Damaged: (503, "Data folder damaged"),
}


def install(app: Flask) -> None:
    """Have every error of `app` answered as a problem."""
    app.register_error_handler(errors.DaybookError, _known)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)


def problem(status: int, title: str, detail: str, **members: Any) -> Response:
    """A problem details answer; `errors` is always there, empty where nothing can be pointed at."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body |= {"errors": []} | members
    return Response(json_bytes(body), status, mimetype="application/problem+json")


def _known(error: errors.DaybookError) -> Response:
    status, title = STATUS[type(error)]
    members = dict(error.members)
    if isinstance(error, errors.Invalid):
        members["errors"] = [each._asdict() for each in error.problems]
    answer = problem(status, title, str(error), **members)
    if isinstance(error, errors.Unavailable):
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    answer = problem(status, error.name, error.description or error.name)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "allow"):
            answer.headers[name] = value
    return answer


def _unforeseen(error: Exception) -> Response:
    """A defect of ours: the caller gets a number that stands in the log, and nothing else."""
    trace_id = secrets.token_hex(8)
    log.error("unforeseen error %s", trace_id, exc_info=error)
    return problem(
        500,
        "Internal error",
        "The service met an error of its own. Nothing was changed unless you can see the change. "
        "Tell the operator the trace_id.",
        trace_id=trace_id,
    )
