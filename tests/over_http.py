"""What many tests say to the service."""

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


def body(answer: TestResponse) -> Any:
    """The JSON document of an answer."""
    return json.loads(answer.data)


def request_for(name: str = "Ada", /, **quantities: int) -> dict[str, Any]:
    """The body of an order: request_for(tea=2)."""
    lines = [{"product": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    return {"customer_name": name, "items": lines}


def place(client: FlaskClient, name: str = "Ada", /, **quantities: int) -> dict[str, Any]:
    """Place an order, and return it as it was answered: place(client, tea=2)."""
    answer = client.post("/order", json=request_for(name, **quantities))
    assert answer.status_code == 201, answer.text
    order: dict[str, Any] = body(answer)
    return order


def read(client: FlaskClient, path: str) -> Any:
    """The document at `path`."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return body(answer)
