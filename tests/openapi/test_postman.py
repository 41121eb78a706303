"""The Postman collection, generated from the contract."""

import json
from collections.abc import Iterator
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app.openapi.document import openapi_document
from tests.over_http import read


def requests(folder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every request in a folder, in the order in which they run."""
    for item in folder["item"]:
        yield from requests(item) if "item" in item else [item]


def test_every_operation_is_there_with_every_example(app: Flask, client: FlaskClient) -> None:
    """Each example of a body has a request; so has an operation without a body."""
    expected = []
    for operations in openapi_document(app)["paths"].values():
        for operation in operations.values():
            contents = list(operation.get("requestBody", {}).get("content", {}).values())
            examples = contents[0]["examples"] if contents else {}
            name = operation["operationId"]
            titles = [f"{name}: {each}" for each in examples] if len(examples) > 1 else [name]
            expected += titles
    found = [each["name"] for each in requests(read(client, "/postman.json"))]
    assert sorted(found) == sorted(expected)


def test_the_collection_has_the_address_of_its_service(client: FlaskClient) -> None:
    """base_url is the address of the request; order_id begins with the first number."""
    variables = client.get("/postman.json", base_url="http://localhost:8123").get_json()["variable"]
    values = {each["key"]: each["value"] for each in variables}
    assert values["base_url"] == "http://localhost:8123"
    assert values["order_id"] == "1001"


def test_the_api_key_is_one_variable(client: FlaskClient) -> None:
    """Every request inherits the collection's bearer token; an empty one sends nothing."""
    collection = read(client, "/postman.json")
    [token] = collection["auth"]["bearer"]
    assert (collection["auth"]["type"], token["value"]) == ("bearer", "{{api_key}}")
    assert {each["key"]: each["value"] for each in collection["variable"]}["api_key"] == ""
    assert not any("auth" in each["request"] for each in requests(collection))


def test_an_order_is_placed_first_and_deleted_last(client: FlaskClient) -> None:
    """The collection runs from top to bottom, and later requests use the new order's id."""
    orders = [each["name"] for each in requests(read(client, "/postman.json")["item"][0])]
    assert (orders[0], orders[-1]) == ("post_order", "delete_order")
    script = json.dumps(read(client, "/postman.json")["item"][0]["item"][0]["event"])
    assert "pm.collectionVariables.set" in script
    assert "order_id" in script
