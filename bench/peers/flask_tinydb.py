"""A peer with a weaker promise: Flask and TinyDB, which rewrites one JSON file for every order.

It syncs nothing, and a crash during a write loses the file; it is the usual way to keep "orders in
a JSON file". TinyDB has no locks, so a lock guards it, and it runs in one process.

bench.servers runs it with PEER_DATA naming the data folder, after `import-products`.
"""

import csv
import os
import threading
from itertools import count
from pathlib import Path

import click
from flask import Flask, Response, jsonify, request
from marshmallow import ValidationError
from tinydb import Query, TinyDB

from bench.peers.documents import FIRST_NUMBER, NEW_ORDER, event_of, order_of, priced


def create_app() -> Flask:
    """Return the service on the folder in PEER_DATA."""
    app = Flask(__name__)
    database = TinyDB(Path(os.environ["PEER_DATA"]) / "db.json")
    orders, outbox, products = (database.table(name) for name in ("orders", "outbox", "products"))
    lock = threading.Lock()
    with lock:
        shelf = {row["sku"]: dict(row) for row in products}
        numbers = count(FIRST_NUMBER + len(orders))

    @app.post("/order")
    def create() -> tuple[Response, int, dict[str, str]]:
        wanted = NEW_ORDER.load(request.get_json())
        items = priced(wanted["items"], shelf)
        with lock:
            order = order_of(next(numbers), wanted, items)
            orders.insert(order)
            outbox.insert(event_of(order))
        return jsonify(order), 201, {"Location": f"/order/{order['order_id']}", "ETag": '"1"'}

    @app.get("/order/<order_id>")
    def show(order_id: str) -> tuple[Response, int]:
        with lock:
            found = orders.get(Query().order_id == order_id)
        if found is None:
            return jsonify({"title": "No such order", "status": 404}), 404
        return jsonify(found), 200

    @app.get("/order")
    def find() -> Response:
        with lock:
            return jsonify({"orders": orders.all()[-request.args.get("limit", 50, type=int) :]})

    @app.errorhandler(ValidationError)
    def invalid(error: ValidationError) -> tuple[Response, int]:
        return jsonify({"title": "Invalid order", "status": 422, "errors": error.messages}), 422

    @app.cli.command("import-products")
    @click.argument("file", type=click.Path(exists=True, path_type=Path))
    def import_products(file: Path) -> None:
        with file.open(newline="", encoding="utf-8") as rows:
            products.insert_multiple(csv.DictReader(rows))

    return app
