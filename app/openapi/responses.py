"""The responses of an operation: its successes, and the errors that follow from its description."""

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
    412: "The request expects another version of the document; `version` is the present one.",
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


def operation_responses(
    operation: Operation, method: str, parameters: list[str], *, is_public: bool
) -> Json:
    """The Responses Object of an operation; `parameters` are those of its path."""
    result: Json = {str(operation.status): _success(operation)}
    if operation.other_response:
        status, schema = operation.other_response
        other = replace(operation, response_schema=schema, other_media_types=())
        result[str(status)] = _success(other)
    if method == "GET" and IF_NONE_MATCH in operation.request_headers:
        result["304"] = {"description": "The document still has the ETag in If-None-Match."}
    for status in _error_statuses(operation, method, parameters, is_public=is_public):
        result[str(status)] = f"Problem{status}"
    return dict(sorted(result.items()))


def _success(operation: Operation) -> Json:
    schema, description = operation.response_schema, "The document as a file."
    content: Json = {}
    if schema:
        description = (class_of(schema).__doc__ or "").strip()
        content[JSON] = {"schema": schema}
    # without a schema: any content of this media type (OpenAPI 3.1, 4.8.14.3)
    content |= {media_type: {} for media_type in operation.other_media_types}
    result: Json = {"description": description, "content": content}
    headers = _headers(operation)
    return result | ({"headers": headers} if headers else {})


def _error_statuses(
    operation: Operation, method: str, parameters: list[str], *, is_public: bool
) -> set[int]:
    """The statuses that follow from method, path, body and headers, and those that are listed."""
    statuses = {400, 429, 500, 503, *operation.error_statuses}
    for applies, further in (
        (not is_public, {401, 403}),
        (parameters, {404}),
        (method != "GET", {403, 507}),
        (operation.request_schemas, {413, 415, 422}),
        (IF_MATCH in operation.request_headers, {412}),
        (IDEMPOTENCY_KEY in operation.request_headers, {409, 422}),
    ):
        statuses |= further if applies else set()
    return statuses


def _headers(operation: Operation) -> Json:
    request_headers = operation.request_headers
    return {
        name: _header(description, **({"example": example} if example else {}))
        for name, applies, description, example in (
            ("ETag", operation.has_etag, "The version of the document, quoted.", '"1"'),
            ("Location", operation.status == 201, "The path of the new document.", "/order/1001"),
            ("Link", operation.query_schema, 'The next page, as rel="next".', None),
            (
                "Idempotency-Replayed",
                IDEMPOTENCY_KEY in request_headers,
                "true when this is the stored response of an earlier request.",
                "true",
            ),
            (
                "Content-Disposition",
                operation.other_media_types,
                "The file name under which a browser saves the response.",
                None,
            ),
            ("Preference-Applied", PREFER in request_headers, "The wait granted.", "wait=5"),
        )
        if applies
    }


def problem(status: int, description: str) -> Json:
    """The Response Object of an error status, with the header that comes with it."""
    result: Json = {"description": description, "content": {PROBLEM: {"schema": "Problem"}}}
    if status == 401:
        result["headers"] = {"WWW-Authenticate": _header("The authentication scheme.")}
    if status in (409, 429, 503, 507):
        retry_after = _header("Seconds to wait.")
        retry_after["schema"]["pattern"] = "^[0-9]+$"
        result["headers"] = {"Retry-After": retry_after}
    if status == 415:
        description = (
            f"The accepted media types; for a patch in Accept-Patch: {', '.join(PATCH_TYPES)}."
        )
        result["headers"] = {"Accept": _header(description)}
    return result


def _header(description: str, **members: str) -> Json:
    return {"description": description, "schema": {"type": "string"}} | members
