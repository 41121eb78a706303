"""Links: which operations can be called with what an answer says (OpenAPI 3.1, Link Object).

A document that POST /order creates has in it the order_id that /order/{order_id} takes: that is all
there is to know, and it can be read from the contract itself.
"""

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def add_links(paths: Json, schemas: Json) -> None:
    """Add to each answer that tells of a new document links to the operations on it."""
    for collection, operations in paths.items():
        answer = operations.get("post", {}).get("responses", {}).get("201")
        if answer and (links := dict(_links(collection, _members(answer, schemas), paths))):
            answer["links"] = links


def _members(answer: Json, schemas: Json) -> set[str]:
    """What the document of an answer says."""
    schema = answer["content"].get("application/json", {}).get("schema", {})
    found = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    return set(found.get("properties", {}))


def _links(collection: str, members: set[str], paths: Json) -> Iterator[tuple[str, Json]]:
    for path, operations in paths.items():
        parameters = re.findall(r"{(\w+)}", path)
        if not path.startswith(f"{collection}/{{") or not members.issuperset(parameters):
            continue
        taken = {parameter: f"$response.body#/{parameter}" for parameter in parameters}
        for operation in operations.values():
            name = operation["operationId"]
            yield name, {"operationId": name, "parameters": taken}
