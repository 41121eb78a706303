"""Links: which operations can be called with what an answer says (OpenAPI 3.1, Link Object).

A document that /order creates or lists has in it the order_id that /order/{order_id} takes: that
is all there is to know, and it can be read from the contract itself.
"""

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def add_links(paths: Json, schemas: Json) -> None:
    """Add to the answers of each collection links to the operations on its members."""
    for collection, operations in paths.items():
        for operation in operations.values():
            for answer in operation["responses"].values():
                if links := dict(_links(collection, _members(answer, schemas), paths)):
                    answer["links"] = links


def _members(answer: Json, schemas: Json) -> dict[str, str]:
    """Where in an answer the members of a document stand: its own, or those of a list's first."""
    content = answer.get("content", {}).get("application/json", {})
    document = _resolved(content.get("schema", {}), schemas)
    places = {name: f"/{name}" for name in document.get("properties", {})}
    for name, member in document.get("properties", {}).items():
        listed = _resolved(member.get("items", {}), schemas)
        places |= {inner: f"/{name}/0/{inner}" for inner in listed.get("properties", {})}
    return places


def _resolved(schema: Json, schemas: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Json = schemas.get(name, schema)
    return found


def _links(collection: str, places: dict[str, str], paths: Json) -> Iterator[tuple[str, Json]]:
    for path, operations in paths.items():
        parameters = re.findall(r"{(\w+)}", path)
        if len(parameters) != 1 or not path.startswith(f"{collection}/{{"):
            continue
        (parameter,) = parameters
        if parameter in places:
            expression = f"$response.body#{places[parameter]}"
            for operation in operations.values():
                name = operation["operationId"]
                yield name, {"operationId": name, "parameters": {parameter: expression}}
