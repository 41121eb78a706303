"""The responses of an operation: its successes, and the errors that follow from its description."""

from collections.abc import Collection
from dataclasses import replace
from inspect import cleandoc
from typing import Any

from marshmallow import Schema

from app.http.operation import IDEMPOTENCY_KEY, IF_NONE_MATCH, PREFER, Operation, SchemaLike
from app.http.requests.body import PATCH_TYPES
from app.http.responses.json_response import JSON
from app.http.responses.problems import MEDIA_TYPE as PROBLEM

Json = dict[str, Any]

ERROR_DESCRIPTIONS = {
    400: "The body, the query or a header is malformed; `detail` says what to change.",
    401: "The API key is missing, unknown or revoked.",
    403: "The caller's role does not allow this, or a page of another site sent the request.",
    404: "Nothing has this name or id.",
    409: "The present state does not allow this; further members describe that state.",
    411: "The body was sent without Content-Length.",
    412: "The request expects another version of the document, or one where there is none; "
    "`version` is the present one.",
    413: "The body is larger than 1 MiB.",
    415: "The media type, charset or content coding of the body is not accepted.",
    422: "The document is invalid; `errors` lists each fault.",
    429: "The caller sent too many requests in a minute; try again after Retry-After seconds.",
    500: "A defect of the service; the log has the trace_id.",
    503: "The service cannot do this now; try again after Retry-After seconds.",
    507: "The disk is full; nothing was changed.",
}


def class_of(schema: SchemaLike) -> type[Schema]:
    """The class of a schema, or of an instance of it."""
    return schema if isinstance(schema, type) else type(schema)


def text(description: str, *, pattern: str = "", **example: str) -> Json:
    """A header or a parameter that is a string, with a pattern and an `example` if it has them."""
    schema = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    return {"description": description, "schema": schema, **example}


RESPONSE_HEADERS = {
    "ETag": text("The version of the document, quoted.", example='"1"'),
    "Location": text("The path of the new document.", example="/order/1001"),
    "Link": text('The next page, as rel="next".'),
    "Idempotency-Replayed": text(
        "true when this is the stored response of an earlier request.", example="true"
    ),
    "Content-Disposition": text("The file name under which a browser saves the response."),
    "Preference-Applied": text("The wait granted.", example="wait=5"),
}

_ACCEPT = text(f"The accepted media types; for a patch in Accept-Patch: {', '.join(PATCH_TYPES)}.")
_RETRY_AFTER = text("Seconds to wait.", pattern="^[0-9]+$")
ERROR_HEADERS = {
    401: {"WWW-Authenticate": text("The authentication scheme.")},
    415: {"Accept": _ACCEPT},
    **{status: {"Retry-After": _RETRY_AFTER} for status in (409, 429, 503, 507)},
}


def operation_responses(
    operation: Operation, method: str, path_parameters: Collection[str], *, is_public: bool
) -> Json:
    """The Responses Object of an operation."""
    result: Json = {str(operation.status): _success(operation)}
    if operation.other_response:
        status, schema = operation.other_response
        other = replace(operation, response_schema=schema, other_media_types=())
        result[str(status)] = _success(other)
    if method == "GET" and IF_NONE_MATCH in operation.headers:
        result["304"] = {"description": "The document still has the ETag in If-None-Match."}
    statuses = {400, 429, 500, 503, *operation.errors}
    statuses |= set() if is_public else {401, 403}
    statuses |= {404} if path_parameters else set()
    statuses |= {403, 412, 507} if method != "GET" else set()
    statuses |= {411, 413, 415, 422} if operation.body else set()
    statuses |= {409, 422} if IDEMPOTENCY_KEY in operation.headers else set()
    result |= {str(status): f"Problem{status}" for status in statuses}
    return dict(sorted(result.items()))


def _success(operation: Operation) -> Json:
    schema, description = operation.response_schema, "The document as a file."
    content: Json = {}
    if schema:
        description = cleandoc(class_of(schema).__doc__ or "")
        content[JSON] = {"schema": schema}
    # without a schema: any content of this media type (OpenAPI 3.1, 4.8.14.3)
    content |= {media_type: {} for media_type in operation.other_media_types}
    present = {
        "ETag": operation.etag,
        "Location": operation.status == 201,
        "Link": operation.query,
        "Idempotency-Replayed": IDEMPOTENCY_KEY in operation.headers,
        "Content-Disposition": operation.other_media_types,
        "Preference-Applied": PREFER in operation.headers,
    }
    headers = {name: header for name, header in RESPONSE_HEADERS.items() if present[name]}
    result: Json = {"description": description, "content": content}
    return result | ({"headers": headers} if headers else {})


def error(status: int, description: str) -> Json:
    """The Response Object of an error status."""
    result: Json = {"description": description, "content": {PROBLEM: {"schema": "Problem"}}}
    return result | ({"headers": ERROR_HEADERS[status]} if status in ERROR_HEADERS else {})
