"""The ceiling: Flask under Granian without any checks or storage.

POST /order parses the body and sends it back; GET answers a fixed order. No service built on the
same server can acknowledge more than this on the same machine.
"""

import json
from typing import Any

from flask import Flask, Response, jsonify, request

ORDER: dict[str, Any] = {
    "order_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "number": 1001,
    "customer_name": "Ada Byron",
    "customer_email": "a@example.com",
    "items": [
        {
            "product": "sku-001",
            "name": "Product 1",
            "quantity": 2,
            "amount": "1.50",
            "line_total": "3.00",
        }
    ],
    "currency": "EUR",
    "total_amount": "3.00",
    "status": "placed",
    "payment_status": "pending",
    "order_date": "2025-01-01T00:00:00.000000Z",
    "order_update": "2025-01-01T00:00:00.000000Z",
    "version": 1,
    "history": [{"at": "2025-01-01T00:00:00.000000Z", "event": "order.placed", "detail": ""}],
}


def create_app() -> Flask:
    """Return the echo; it needs no data folder."""
    app = Flask(__name__)

    @app.post("/order")
    def echo() -> tuple[Response, int]:
        return jsonify(json.loads(request.get_data())), 201

    @app.get("/order/<order_id>")
    def show(order_id: str) -> Response:
        return jsonify(ORDER)

    @app.get("/order")
    def find() -> Response:
        return jsonify({"orders": [ORDER]})

    return app
