"""Links of the contract, from a created document to the operations on it."""

from flask import Flask

from app.openapi.document import openapi_document


def test_a_created_order_links_to_its_operations(app: Flask) -> None:
    """POST /order has a link to every operation with the parameter order_id."""
    paths = openapi_document(app)["paths"]
    links = paths["/order"]["post"]["responses"]["201"]["links"]
    own = {
        operation["operationId"]
        for path in ("/order/{order_id}", "/order/{order_id}/events")
        for operation in paths[path].values()
    }
    assert own <= links.keys()
    assert links["get_order"]["parameters"] == {"order_id": "$response.body#/order_id"}


def test_every_201_links_to_a_get(app: Flask) -> None:
    """Whatever can be created can be read by a link."""
    for path, operations in openapi_document(app)["paths"].items():
        if created := operations.get("post", {}).get("responses", {}).get("201"):
            reads = {link["operationId"] for link in created["links"].values()}
            assert any(name.startswith("get_") for name in reads), path
