"""Links from a created document to the operations on it (OpenAPI 3.1, Link Object).

POST /order responds with a member order_id, and /order/{order_id} has a parameter of that name: the
links follow from such matches in the contract.
"""

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def add_links(paths: Json, schemas: Json) -> None:
    """Add links to each 201 response, in place."""
    for collection, operations in paths.items():
        response = operations.get("post", {}).get("responses", {}).get("201")
        if response and (links := dict(_links(collection, _members(response, schemas), paths))):
            response["links"] = links


def _members(response: Json, schemas: Json) -> set[str]:
    """The members of a response's JSON document."""
    schema = response["content"].get("application/json", {}).get("schema", {})
    resolved = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    return set(resolved.get("properties", {}))


def _links(collection: str, members: set[str], paths: Json) -> Iterator[tuple[str, Json]]:
    for path, operations in paths.items():
        parameters = re.findall(r"{(\w+)}", path)
        if not path.startswith(f"{collection}/{{") or not members.issuperset(parameters):
            continue
        values = {parameter: f"$response.body#/{parameter}" for parameter in parameters}
        for operation in operations.values():
            name = operation["operationId"]
            yield name, {"operationId": name, "parameters": values}
