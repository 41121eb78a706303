"""Generator of the OpenAPI 3.1 document."""

import re
import sys
from inspect import cleandoc
from typing import Any

import yaml
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_instance
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask
from marshmallow import Schema, fields

from app.auth.permissions import PUBLIC_ENDPOINTS
from app.http.operation import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    OPERATIONS,
    PREFER,
    Operation,
    SchemaLike,
)
from app.http.requests.idempotency import KEY_PATTERN
from app.http.responses.problems import ProblemSchema
from app.kernel.release import VERSION
from app.openapi.links import add_links
from app.openapi.responses import ERROR_DESCRIPTIONS, class_of, error, operation_responses, text
from app.shipping.carrier import WEBHOOK_HEADERS

Json = dict[str, Any]

INFO = """\
Orders, products, and the events that follow from them.

Errors are problem details (RFC 9457); `errors` lists each fault with a JSON pointer. Bodies are
strict JSON: unknown fields are refused. HEAD is allowed wherever GET is; OPTIONS and a 405 list
the methods in Allow. An unknown query parameter is a 400. The next page of a list is in Link
rel="next". Every response has X-Request-Id, which the log has too.
"""

KEY = "key"
KEY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, as `flask key create` makes it.",
}

PATH_PARAMETERS = {
    "order_id": text("An order's id, or its number.", example="1001"),
    "sku": text("A product's sku, percent-encoded; it may contain slashes.", example="notebook-a5"),
    "key": text("The id of a failure.", example="01890a5d-ac96-774b-bcce-b302099a8057:billing"),
    "webhook_id": text("The id of a webhook.", example="01890a5d-ac96-774b-bcce-b302099a8057"),
    "handler": text("The service that handles events.", example="billing"),
}

_WEBHOOK = "A header of the Standard Webhooks specification."
_WEBHOOK_EXAMPLES = "msg_27UHCyBj7sK", "1795240669", "v1,bm90IHNpZ25lZA=="

HEADER_PARAMETERS: dict[str, Json] = {
    IF_MATCH: text(
        'Only change a document with one of these ETags, such as "3"; else 412. An edit by PATCH '
        "accepts each version since `details_version`."
    ),
    IF_NONE_MATCH: text("If the document has one of these ETags: 304 to a GET, 412 to a change."),
    IDEMPOTENCY_KEY: text(
        "The same key and body get the first response again, for 24 hours.",
        pattern=f"^({KEY_PATTERN})$",
    ),
    PREFER: text("wait=N: wait for the event handlers, for at most N seconds (up to 10)."),
    **{
        name: {"description": _WEBHOOK, "required": True} | text(_WEBHOOK, example=example)
        for name, example in zip(WEBHOOK_HEADERS, _WEBHOOK_EXAMPLES, strict=True)
    },
}


def as_yaml(app: Flask) -> str:
    """The contract of `app`, as openapi.yaml has it."""
    return yaml.dump(
        openapi_document(app), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )


def openapi_document(app: Flask) -> Json:
    """The contract of `app`: every route that has an `Operation`."""
    spec = APISpec(
        title="Daybook",
        version=VERSION,
        openapi_version="3.1.0",
        info={"description": INFO},
        servers=[{"url": "http://127.0.0.1:8000"}],
        # a shop without keys serves local requests, and needs none
        security=[{}, {KEY: []}],
        tags=_tags(app),
        plugins=[_Plugin(schema_name_resolver=name_of)],
    )
    spec.components.schema("Problem", schema=ProblemSchema)
    spec.components.security_scheme(KEY, KEY_SCHEME)
    for status, description in ERROR_DESCRIPTIONS.items():
        spec.components.response(f"Problem{status}", error(status, description))
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        if operation := OPERATIONS.get(view):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).rstrip("/")
            is_public = rule.endpoint in PUBLIC_ENDPOINTS
            (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            operation_object = {
                "operationId": view.__name__,
                "tags": [rule.endpoint.partition(".")[0]],
                "summary": cleandoc(view.__doc__ or ""),
                **_request(operation, sorted(rule.arguments)),
                "responses": operation_responses(
                    operation, method, rule.arguments, is_public=is_public
                ),
                **({"security": []} if is_public else {}),
            }
            spec.path(path, operations={method.lower(): operation_object})
    document: Json = spec.to_dict()
    add_links(document["paths"], document["components"]["schemas"])
    return {"openapi": document.pop("openapi")} | document


def _tags(app: Flask) -> list[Json]:
    """A tag for each blueprint that has an `Operation`, with its module's first line."""
    described = {
        endpoint.partition(".")[0]
        for endpoint, view in app.view_functions.items()
        if view in OPERATIONS
    }
    return [
        {
            "name": name,
            "description": (sys.modules[blueprint.import_name].__doc__ or "").partition("\n")[0],
        }
        for name, blueprint in app.blueprints.items()
        if name in described
    ]


def name_of(schema: SchemaLike) -> str:
    """The name of a schema in the contract."""
    return class_of(schema).__name__.removesuffix("Schema")


def _request(operation: Operation, arguments: list[str]) -> Json:
    """The parameters and the body of an operation whose path has `arguments`."""
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True} | PATH_PARAMETERS[name] for name in arguments
    ]
    if operation.query:
        parameters.append({"in": "query", "schema": operation.query})
    parameters += [
        {"name": name, "in": "header"} | HEADER_PARAMETERS[name] for name in operation.headers
    ]
    request: Json = {"parameters": parameters} if parameters else {}
    if operation.body:
        request["requestBody"] = {
            "required": operation.body_required,
            "content": {operation.consumes: _body(operation.body)},
        }
    return request


def _body(schemas: tuple[SchemaLike, ...]) -> Json:
    examples = {name_of(schema): {"value": example_of(schema)} for schema in schemas}
    schema = schemas[0] if len(schemas) == 1 else {"oneOf": list(schemas)}
    return {"schema": schema, "examples": examples}


def example_of(schema: SchemaLike) -> Json:
    """A document that the schema accepts: its fields that have an example."""
    declared: dict[str, Any] = resolve_schema_instance(schema).fields
    return {
        name: example
        for name, field in declared.items()
        if (example := _example(field)) is not None
    }


def _example(field: Any) -> Any:
    if isinstance(field, fields.List) and isinstance(field.inner, fields.Nested):
        return [example_of(field.inner.schema)]
    if isinstance(field, fields.Nested):
        return example_of(field.schema)
    choices = field.metadata.get("enum", ()) if field.required else ()
    return next(iter(field.metadata.get("examples", choices)), None)


_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")


class _Converter(OpenAPIConverter):
    """Adds the rules over several fields; see StrictSchema.cross_field_rules."""

    def schema2jsonschema(self, schema: Schema) -> Json:
        """See OpenAPIConverter."""
        fields: Json = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]  # apispec
        return fields | getattr(schema, "cross_field_rules", {})

    def list2param(self, field: fields.Field[Any], **_options: Any) -> Json:
        """See OpenAPIConverter. A list in a query is one text with commas: see Choices."""
        return {"style": "form", "explode": False} if isinstance(field, fields.List) else {}


class _Plugin(MarshmallowPlugin):
    """See MarshmallowPlugin."""

    Converter = _Converter


class _Dumper(yaml.SafeDumper):
    """Dumps YAML without anchors, and texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """See yaml.SafeDumper."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """See yaml.SafeDumper; quotes a text that YAML 1.2 could read as a number."""
        style = "|" if "\n" in data else "'" if _NUMBER.fullmatch(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)
