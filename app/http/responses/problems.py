"""Errors as RFC 9457 problem details, and the one table from error to status."""

import logging
from typing import Any

from flask import Flask, Response
from marshmallow import INCLUDE, Schema, fields
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app.http.responses.json_response import json_bytes
from app.kernel import errors, trace

MEDIA_TYPE = "application/problem+json"

NOWHERE = "There is nothing at this address; openapi.yaml has those of the API."

log = logging.getLogger(__name__)

STATUS: dict[type[errors.DaybookError], tuple[int, str]] = {
    errors.Malformed: (400, "Malformed request"),
    errors.Invalid: (422, "Invalid document"),
    errors.NotFound: (404, "Not found"),
    errors.Conflict: (409, "Conflict"),
    errors.Stale: (412, "Stale version"),
    errors.Unauthenticated: (401, "Unauthenticated"),
    errors.Forbidden: (403, "Forbidden"),
    errors.TooMany: (429, "Too many requests"),
    errors.Unavailable: (503, "Temporarily unavailable"),
    errors.StorageFull: (507, "Out of disk space"),
    errors.Damaged: (503, "Data folder damaged"),
    errors.DaybookError: (500, "Internal error"),
}


class ErrorSchema(Schema):
    """One fault in a document: where, and what to change."""

    pointer = fields.String(required=True, metadata={"format": "json-pointer"})
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """A problem; the members that `errors.DaybookError` carries may stand in it besides."""

    class Meta:
        """See marshmallow.Schema.Meta."""

        unknown = INCLUDE

    type = fields.String(required=True, metadata={"format": "uri-reference"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, metadata={"minimum": 400, "maximum": 599})
    detail = fields.String(required=True)
    errors = fields.List(fields.Nested(ErrorSchema), required=True)
    trace_id = fields.String(metadata={"description": "by which the log tells of a 500"})


def install(app: Flask) -> None:
    """Have every error of `app` answered as a problem."""
    app.register_error_handler(Exception, answer_for)


def answer_for(error: Exception) -> Response:
    """The problem that tells of `error`; the log tells of those that are our own fault."""
    if isinstance(error, errors.DaybookError):
        return _known(error)
    return _http(error) if isinstance(error, HTTPException) else _unforeseen(error)


def status_of(error: errors.DaybookError) -> int:
    """The HTTP status of an error."""
    return _status_and_title(error)[0]


def problem(status: int, title: str, detail: str, **members: Any) -> Response:
    """A problem details answer; `errors` is always there, empty where nothing can be pointed at."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body |= {"errors": []} | members
    return Response(json_bytes(body), status, mimetype=MEDIA_TYPE)


def _known(error: errors.DaybookError) -> Response:
    status, title = _status_and_title(error)
    members = dict(error.members)
    retry_after_s = members.pop("retry_after_s", None)
    if isinstance(error, errors.Invalid):
        members["errors"] = [each._asdict() for each in error.problems]
    if isinstance(error, errors.Unavailable):
        retry_after_s = error.retry_after_s
    answer = problem(status, title, str(error), **members)
    if isinstance(error, errors.Unauthenticated):
        answer.headers["WWW-Authenticate"] = 'Bearer realm="Daybook"'  # RFC 9110 section 11.6.1
    if retry_after_s:
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer


def _status_and_title(error: errors.DaybookError) -> tuple[int, str]:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    detail = NOWHERE if isinstance(error, NotFound) else error.description
    allowed = ""
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        allowed = ", ".join(sorted(error.valid_methods))
        detail = f"This address takes other methods: {allowed}."
    answer = problem(status, error.name, detail or error.name)
    if allowed:
        answer.headers["Allow"] = allowed
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "allow"):
            answer.headers[name] = value
    return answer


def _unforeseen(error: Exception) -> Response:
    """A defect of ours: the caller gets a number that stands in the log, and nothing else."""
    span = trace.current() or trace.new_trace()
    trace_id = span.trace_id
    log.error("unforeseen error %s", trace_id, exc_info=error)
    return problem(
        500,
        "Internal error",
        "The service met an error of its own. Nothing was changed unless you can see the change. "
        "Tell the operator the trace_id.",
        trace_id=trace_id,
    )
