"""Error responses as problem details (RFC 9457); the one table from error class to HTTP status."""

import logging
from typing import Any

from flask import Flask, Response
from marshmallow import INCLUDE, Schema, fields
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app.http.responses.json_response import json_bytes
from app.kernel import errors, trace

MEDIA_TYPE = "application/problem+json"

NO_SUCH_ADDRESS = (
    "There is nothing at this address; /openapi.json lists those of the API, and /docs shows them."
)

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
    """Problem details; further members depend on the error."""

    class Meta:
        """See marshmallow.Schema.Meta."""

        unknown = INCLUDE

    type = fields.String(required=True, metadata={"format": "uri-reference"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, metadata={"minimum": 400, "maximum": 599})
    detail = fields.String(required=True)
    errors = fields.List(fields.Nested(ErrorSchema), required=True)
    trace_id = fields.String(metadata={"description": "of a 500, to find its error in the log"})


def install(app: Flask) -> None:
    """Respond to every error of `app` with problem details."""
    app.register_error_handler(Exception, error_response)


def error_response(error: Exception) -> Response:
    """The problem details of `error`. Logs it unless it is a DaybookError or an HTTPException."""
    if isinstance(error, errors.DaybookError):
        return _daybook_error(error)
    return _http_error(error) if isinstance(error, HTTPException) else _unexpected_error(error)


def status_of(error: errors.DaybookError) -> int:
    """The HTTP status of an error."""
    return _status_and_title(error)[0]


def retry_after_s(error: errors.DaybookError) -> int | None:
    """The seconds to wait before a retry; None for an error that does not pass by waiting."""
    seconds: int | None = error.members.get(  # type: ignore[assignment]
        "retry_after_s", getattr(error, "retry_after_s", None)
    )
    return seconds


def problem_response(status: int, title: str, detail: str, **members: Any) -> Response:
    """A response with problem details; `errors` is a member even when it is empty."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body |= {"errors": []} | members
    return Response(json_bytes(body), status, mimetype=MEDIA_TYPE)


def _daybook_error(error: errors.DaybookError) -> Response:
    status, title = _status_and_title(error)
    members = dict(error.members)
    members.pop("retry_after_s", None)
    if isinstance(error, errors.Invalid):
        members["errors"] = [each._asdict() for each in error.problems]
    response = problem_response(status, title, str(error), **members)
    if isinstance(error, errors.Unauthenticated):
        response.headers["WWW-Authenticate"] = 'Bearer realm="Daybook"'  # RFC 9110, 11.6.1
    if seconds := retry_after_s(error):
        response.headers["Retry-After"] = str(seconds)
    return response


def _status_and_title(error: errors.DaybookError) -> tuple[int, str]:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    detail = NO_SUCH_ADDRESS if isinstance(error, NotFound) else error.description
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
        detail = f"This address allows only {headers['Allow']}."
    response = problem_response(status, error.name, detail or error.name)
    response.headers.update(headers)
    return response


def _unexpected_error(error: Exception) -> Response:
    """A defect of the service: logged with a trace_id; the response has nothing else of it."""
    trace_id = (trace.current() or trace.new_trace()).trace_id
    log.error("unexpected error %s", trace_id, exc_info=error)
    return problem_response(
        500,
        "Internal error",
        "The service failed because of a defect. Check whether your change was made, and give the "
        "operator the trace_id.",
        trace_id=trace_id,
    )
