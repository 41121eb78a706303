"""Helpers of many tests that send requests to the service."""

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


def body(response: TestResponse) -> Any:
    """The JSON document of a response."""
    return json.loads(response.data)


def request_for(name: str = "Ada", /, **quantities: int) -> dict[str, Any]:
    """The body of an order: request_for(tea=2)."""
    lines = [{"product": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    return {"customer_name": name, "items": lines}


def place(client: FlaskClient, name: str = "Ada", /, **quantities: int) -> dict[str, Any]:
    """Place an order and return its document: place(client, tea=2)."""
    response = client.post("/order", json=request_for(name, **quantities))
    assert response.status_code == 201, response.text
    order: dict[str, Any] = body(response)
    return order


def read(client: FlaskClient, path: str) -> Any:
    """The document at `path`."""
    response = client.get(path)
    assert response.status_code == 200, response.text
    return body(response)
