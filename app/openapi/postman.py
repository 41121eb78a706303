"""Generator of a Postman collection (format 2.1) from the contract, also for its runner newman.

It has one request for each example of each operation. They can be run from top to bottom: by the
contract's links, values of a response become variables of later requests. Each request tests that
its status is in the contract and is no error of form (FORM_ERRORS).
"""

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
FORM_ERRORS = frozenset({400, 411, 413, 415, 422})

API_KEY = "An API key, for a shop that has keys; none is sent while this is empty."

_METHOD_ORDER = ("post", "get", "put", "patch", "delete")


def postman_collection(contract: Json) -> Json:
    """The collection, with a folder for each tag."""
    ordered = sorted(_operations(contract), key=_sort_key)
    return {
        "info": {
            "name": contract["info"]["title"],
            "description": contract["info"]["description"],
            "schema": FORMAT,
        },
        "auth": {
            "type": "bearer",
            "bearer": [{"key": "token", "value": "{{api_key}}", "type": "string"}],
        },
        "variable": [
            {"key": "base_url", "value": contract["servers"][0]["url"]},
            {"key": "api_key", "value": "", "description": API_KEY},
            *({"key": name, "value": value} for name, value in _examples(contract).items()),
        ],
        "item": [
            {
                "name": tag["name"],
                "description": tag["description"],
                "item": [
                    item
                    for path, method, operation in ordered
                    if operation["tags"][0] == tag["name"]
                    for item in _items(path, method, operation)
                ],
            }
            for tag in contract["tags"]
        ],
    }


def _operations(contract: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _sort_key(described: tuple[str, str, Json]) -> tuple[int, str]:
    """Requests that create, read, change and delete, in this order; then by path."""
    path, method, _ = described
    return _METHOD_ORDER.index("patch" if method == "post" and "{" in path else method), path


def _examples(contract: Json) -> dict[str, str]:
    """The initial values of the path variables, which responses replace."""
    return {
        parameter["name"]: parameter["example"]
        for _, _, operation in _operations(contract)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "path"
    }


def _items(path: str, method: str, operation: Json) -> Iterator[Json]:
    """A request for each example of the body; one for an operation without a body."""
    bodies = next(iter(operation.get("requestBody", {}).get("content", {}).items()), None)
    if bodies is None:
        yield _item(operation["operationId"], path, method, operation)
        return
    media_type, body = bodies
    for name, example in body["examples"].items():
        title = operation["operationId"]
        title += f": {name}" if len(body["examples"]) > 1 else ""
        item = _item(title, path, method, operation)
        item["request"]["header"].append({"key": "Content-Type", "value": media_type})
        item["request"]["body"] = {
            "mode": "raw",
            "raw": json.dumps(example["value"], indent=2, ensure_ascii=False),
            "options": {"raw": {"language": "json"}},
        }
        yield item


def _item(title: str, path: str, method: str, operation: Json) -> Json:
    parameters: dict[str, list[Json]] = {"path": [], "query": [], "header": []}
    for parameter in operation.get("parameters", []):
        parameters[parameter["in"]].append(parameter)
    segments = [segment.replace("{", ":").rstrip("}") for segment in path.strip("/").split("/")]
    return {
        "name": title,
        "request": {
            "method": method.upper(),
            "description": operation["summary"],
            "header": [_parameter(each) for each in parameters["header"]],
            "url": {
                "raw": "{{base_url}}/" + "/".join(segments),
                "host": ["{{base_url}}"],
                "path": segments,
                "query": [_parameter(each) for each in parameters["query"]],
                "variable": [
                    {"key": each["name"], "value": "{{" + each["name"] + "}}"}
                    for each in parameters["path"]
                ],
            },
        },
        "event": [
            {"listen": "test", "script": {"type": "text/javascript", "exec": _test(operation)}}
        ],
    }


def _parameter(parameter: Json) -> Json:
    """A parameter with its example; an optional one is disabled."""
    return {
        "key": parameter["name"],
        "value": parameter.get("example", ""),
        "description": parameter.get("description", ""),
        "disabled": not parameter.get("required", False),
    }


def _test(operation: Json) -> list[str]:
    """The lines of the test script: check the status, set variables for later requests."""
    statuses = sorted(
        int(status)
        for status in operation["responses"]
        if int(status) < 500 and int(status) not in FORM_ERRORS
    )
    return [
        'pm.test("the status is one that the contract lists", () => {',
        f"  pm.expect({statuses}, pm.response.text()).to.include(pm.response.code);",
        "});",
        *_set_variables(operation),
    ]


def _set_variables(operation: Json) -> Iterator[str]:
    """Set the variables that links take from a response, such as `$response.body#/order_id`."""
    for status, response in operation["responses"].items():
        variables = {
            name: expression.rpartition("/")[2]
            for link in response.get("links", {}).values()
            for name, expression in link["parameters"].items()
        }
        for name, member in variables.items():
            yield f"if (pm.response.code === {status})"
            yield f'  pm.collectionVariables.set("{name}", pm.response.json()["{member}"]);'
