"""Links in the contract: from an answer to the operations that take what it says."""

from typing import Any

from flask import Flask

from app.contract.document import document


def test_a_created_order_leads_to_its_own_operations(app: Flask) -> None:
    """What POST /order answers names the parameter of every operation on that order."""
    paths = document(app)["paths"]
    links = paths["/order"]["post"]["responses"]["201"]["links"]
    own = {
        operation["operationId"]
        for path in ("/order/{order_id}", "/order/{order_id}/events")
        for operation in paths[path].values()
    }
    assert own <= links.keys()
    assert links["get_order"]["parameters"] == {"order_id": "$response.body#/order_id"}


def test_a_list_leads_to_its_first_member(app: Flask) -> None:
    """Where there is none, the expression finds nothing, and a client follows no link."""
    listed: dict[str, Any] = document(app)["paths"]["/product"]["get"]["responses"]["200"]
    assert listed["links"]["get_product"]["parameters"] == {"sku": "$response.body#/products/0/sku"}
