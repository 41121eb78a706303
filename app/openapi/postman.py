"""The contract as a collection for Postman (format 2.1), and for its runner, newman.

One request for each example of each operation. Run from top to bottom they tell a story: what one
answer says goes into the next request, by the contract's links, and each request tests that its
answer is one that the contract has and is no complaint about its form.
"""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

Json = dict[str, Any]

FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
REFUSED_FOR_FORM = frozenset({400, 413, 415, 422})

API_KEY = "The key of a shop that has keys; nothing is sent while it is empty."

_STORY = ("post", "get", "put", "patch", "delete")


def collection(contract: Json) -> Json:
    """The collection, with a folder for each service."""
    told = sorted(_operations(contract), key=_place_in_story)
    folders = {tag: list(each) for tag, each in groupby(told, key=lambda each: each[2]["tags"][0])}
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
                "item": [item for each in folders[tag["name"]] for item in _items(*each)],
            }
            for tag in contract["tags"]
        ],
    }


def _operations(contract: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _place_in_story(told: tuple[str, str, Json]) -> tuple[str, int, str]:
    """By service; what creates comes first, what is done to it next, and its end last."""
    path, method, operation = told
    place = _STORY.index("patch" if method == "post" and "{" in path else method)
    return operation["tags"][0], place, path


def _examples(contract: Json) -> dict[str, str]:
    """The variables of all paths, until an answer gives better ones."""
    return {
        parameter["name"]: parameter["example"]
        for _, _, operation in _operations(contract)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "path"
    }


def _items(path: str, method: str, operation: Json) -> Iterator[Json]:
    """A request for each example of the body, or one without."""
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
    placed: dict[str, list[Json]] = {"path": [], "query": [], "header": []}
    for parameter in operation.get("parameters", []):
        placed[parameter["in"]].append(parameter)
    steps = [step.replace("{", ":").rstrip("}") for step in path.strip("/").split("/")]
    return {
        "name": title,
        "request": {
            "method": method.upper(),
            "description": operation["summary"],
            "header": [_told(each) for each in placed["header"]],
            "url": {
                "raw": "{{base_url}}/" + "/".join(steps),
                "host": ["{{base_url}}"],
                "path": steps,
                "query": [_told(each) for each in placed["query"]],
                "variable": [
                    {"key": each["name"], "value": "{{" + each["name"] + "}}"}
                    for each in placed["path"]
                ],
            },
        },
        "event": [
            {"listen": "test", "script": {"type": "text/javascript", "exec": _test(operation)}}
        ],
    }


def _told(parameter: Json) -> Json:
    """A parameter with its example; an optional one is there to be switched on."""
    return {
        "key": parameter["name"],
        "value": parameter.get("example", ""),
        "description": parameter.get("description", ""),
        "disabled": not parameter.get("required", False),
    }


def _test(operation: Json) -> list[str]:
    """The lines of the test: the status, and what the next requests need."""
    statuses = sorted(
        int(status)
        for status in operation["responses"]
        if int(status) < 500 and int(status) not in REFUSED_FOR_FORM
    )
    return [
        'pm.test("the answer is one of the contract", () => {',
        f"  pm.expect({statuses}, pm.response.text()).to.include(pm.response.code);",
        "});",
        *_learnt(operation),
    ]


def _learnt(operation: Json) -> Iterator[str]:
    """Keep what the links take from the answer, such as `$response.body#/order_id`."""
    for status, answer in operation["responses"].items():
        taken = {
            name: expression.rpartition("/")[2]
            for link in answer.get("links", {}).values()
            for name, expression in link["parameters"].items()
        }
        for name, member in taken.items():
            yield f"if (pm.response.code === {status})"
            yield f'  pm.collectionVariables.set("{name}", pm.response.json()["{member}"]);'
