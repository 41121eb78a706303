"""Links in the contract: from an answer to the operations that take what it says."""

from flask import Flask

from app.openapi.document import openapi_document


def test_a_created_order_leads_to_its_own_operations(app: Flask) -> None:
    """What POST /order answers names the parameter of every operation on that order."""
    paths = openapi_document(app)["paths"]
    links = paths["/order"]["post"]["responses"]["201"]["links"]
    own = {
        operation["operationId"]
        for path in ("/order/{order_id}", "/order/{order_id}/events")
        for operation in paths[path].values()
    }
    assert own <= links.keys()
    assert links["get_order"]["parameters"] == {"order_id": "$response.body#/order_id"}


def test_every_answer_201_leads_somewhere(app: Flask) -> None:
    """Whatever can be created can be read, by what the answer says."""
    for path, operations in openapi_document(app)["paths"].items():
        if created := operations.get("post", {}).get("responses", {}).get("201"):
            reads = {link["operationId"] for link in created["links"].values()}
            assert any(name.startswith("get_") for name in reads), path
