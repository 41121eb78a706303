"""What each operation may answer: its success, and the refusals that follow from what it takes."""

from dataclasses import replace
from typing import Any

from marshmallow import Schema

from app.http.operation import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    PREFER,
    Operation,
    SchemaLike,
)
from app.http.requests.body import JSON, PATCH_TYPES
from app.http.responses.problems import MEDIA_TYPE as PROBLEM

Json = dict[str, Any]

REFUSALS = {
    400: "The request cannot be read: body, query or a header. Says what to change.",
    401: "Nobody is known to have sent this: an API key is missing, or not known here.",
    403: "Not allowed here, or sent by a page of another site.",
    404: "There is nothing under that name.",
    409: "Not possible in the present state; the members say what that is.",
    412: "The version has moved on; `version` is the present one.",
    413: "The body is larger than 1 MiB.",
    415: "The body is of another media type, charset or content coding.",
    422: "The document breaks rules; `errors` points at each.",
    429: "More requests than one caller may send in a minute; go on after Retry-After seconds.",
    500: "A defect of the service; the log has the trace_id.",
    503: "Not possible for now; try again after Retry-After seconds.",
    507: "The disk is full; nothing was changed.",
}


def class_of(schema: SchemaLike) -> type[Schema]:
    """The class of a schema or of its instance."""
    return schema if isinstance(schema, type) else type(schema)


def responses(operation: Operation, method: str, arguments: list[str], *, is_public: bool) -> Json:
    """The answers of an operation, by status."""
    told: Json = {str(operation.status): _success(operation)}
    if operation.otherwise:
        status, schema = operation.otherwise
        told[str(status)] = _success(replace(operation, answers=schema, also=()))
    if method == "GET" and IF_NONE_MATCH in operation.reads:
        told["304"] = {"description": "Still the version that If-None-Match names."}
    guard = set() if is_public else {401, 403}
    for status in _refusals(operation, method, arguments) | guard:
        told[str(status)] = f"Problem{status}"
    return dict(sorted(told.items()))


def _success(operation: Operation) -> Json:
    content: Json = {JSON: {"schema": operation.answers}} if operation.answers else {}
    # no schema: whatever there is in this media type (OpenAPI 3.1, 4.8.14.3)
    content |= {media_type: {} for media_type in operation.also}
    words = class_of(operation.answers).__doc__ if operation.answers else "The document."
    told: Json = {"description": (words or "").strip(), "content": content}
    headers = _headers(operation)
    return told | ({"headers": headers} if headers else {})


def _refusals(operation: Operation, method: str, arguments: list[str]) -> set[int]:
    """What follows from method, path, body and headers, and what is named besides."""
    statuses = {400, 429, 500, 503, *operation.refuses}
    statuses |= {404} if arguments else set()
    statuses |= {403, 507} if method != "GET" else set()
    statuses |= {413, 415, 422} if operation.takes else set()
    statuses |= {412} if IF_MATCH in operation.reads else set()
    return statuses | ({409, 422} if IDEMPOTENCY_KEY in operation.reads else set())


def _headers(operation: Operation) -> Json:
    named = {
        "ETag": ("The version, quoted.", '"1"', operation.versioned),
        "Location": ("Where the new document is.", "/order/1001", operation.status == 201),
        "Link": ('The next page, as rel="next".', None, operation.query is not None),
        "Idempotency-Replayed": (
            "true when this is the first answer again.",
            "true",
            IDEMPOTENCY_KEY in operation.reads,
        ),
        "Content-Disposition": (
            "The name under which a browser keeps the file.",
            None,
            bool(operation.also),
        ),
        "Preference-Applied": ("The wait that was granted.", "wait=5", PREFER in operation.reads),
    }
    return {
        name: {"description": text, "schema": {"type": "string"}}
        | ({"example": example} if example else {})
        for name, (text, example, is_there) in named.items()
        if is_there
    }


def problem(status: int, description: str) -> Json:
    told: Json = {"description": description, "content": {PROBLEM: {"schema": "Problem"}}}
    if status == 401:
        scheme = {"description": "What is wanted.", "schema": {"type": "string"}}
        told["headers"] = {"WWW-Authenticate": scheme}
    if status in (409, 429, 503, 507):
        retry = {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
        told["headers"] = {"Retry-After": retry}
    if status == 415:
        types = (
            f"The media types that count; for a patch in Accept-Patch: {', '.join(PATCH_TYPES)}."
        )
        told["headers"] = {"Accept": {"description": types, "schema": {"type": "string"}}}
    return told
