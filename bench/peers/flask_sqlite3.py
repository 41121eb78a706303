"""The peer without an ORM: Flask and hand-written SQL on Python's sqlite3.

The same promise and settings as the SQLAlchemy peer (WAL, synchronous=FULL, the outbox row in the
order's transaction), with the least work for each order: one connection for each thread, three
statements for an order, the write lock taken as late as possible.

bench.servers runs it with PEER_DATA naming the data folder. `import-products` creates the tables,
so it runs once before the workers start.
"""

import csv
import json
import os
import sqlite3
import threading
from pathlib import Path

import click
from flask import Flask, Response, jsonify, request
from marshmallow import ValidationError

from bench.peers.documents import FIRST_NUMBER, NEW_ORDER, Document, event_of, order_of, priced

BUSY_TIMEOUT_S = 30

TABLES = """
CREATE TABLE products (sku TEXT PRIMARY KEY, name TEXT NOT NULL, price TEXT NOT NULL,
    quantity INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE orders (number INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL, document TEXT NOT NULL);
CREATE INDEX orders_by_status ON orders (status);
CREATE TABLE outbox (position INTEGER PRIMARY KEY, event_id TEXT NOT NULL, event TEXT NOT NULL,
    delivered_at TEXT);
"""


def create_app() -> Flask:
    """Return the service on the folder in PEER_DATA."""
    app = Flask(__name__)
    folder = Path(os.environ["PEER_DATA"])
    local = threading.local()

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            local.connection = _connect(folder)
        opened: sqlite3.Connection = local.connection
        return opened

    @app.post("/order")
    def create() -> tuple[Response, int, dict[str, str]]:
        wanted = NEW_ORDER.load(request.get_json())
        items = priced(wanted["items"], _products(connection(), wanted["items"]))
        with connection() as database:
            database.execute("BEGIN IMMEDIATE")
            [(last,)] = database.execute("SELECT max(number) FROM orders")
            order = order_of((last or FIRST_NUMBER - 1) + 1, wanted, items)
            _insert(database, order)
        return jsonify(order), 201, {"Location": f"/order/{order['order_id']}", "ETag": '"1"'}

    @app.get("/order/<order_id>")
    def show(order_id: str) -> tuple[Response, int]:
        query = "SELECT document FROM orders WHERE order_id = ?"
        found = connection().execute(query, (order_id,)).fetchone()
        if found is None:
            return jsonify({"title": "No such order", "status": 404}), 404
        return jsonify(json.loads(found[0])), 200

    @app.get("/order")
    def find() -> Response:
        query = "SELECT document FROM orders ORDER BY number DESC LIMIT ?"
        rows = connection().execute(query, (request.args.get("limit", 50, type=int),))
        return jsonify({"orders": [json.loads(document) for (document,) in rows]})

    @app.errorhandler(ValidationError)
    def invalid(error: ValidationError) -> tuple[Response, int]:
        return jsonify({"title": "Invalid order", "status": 422, "errors": error.messages}), 422

    @app.cli.command("import-products")
    @click.argument("file", type=click.Path(exists=True, path_type=Path))
    def import_products(file: Path) -> None:
        database = connection()
        database.executescript(TABLES)
        with file.open(newline="", encoding="utf-8") as rows:
            database.executemany(
                "INSERT INTO products VALUES (:sku, :name, :price, :quantity)", csv.DictReader(rows)
            )

    return app


def _connect(folder: Path) -> sqlite3.Connection:
    database = sqlite3.connect(
        folder / "orders.db", timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    return database


def _products(database: sqlite3.Connection, lines: list[Document]) -> dict[str, Document]:
    skus = [line["product"] for line in lines]
    marks = ", ".join("?" * len(skus))
    query = f"SELECT sku, name, price FROM products WHERE sku IN ({marks})"
    return {
        sku: {"name": name, "price": price} for sku, name, price in database.execute(query, skus)
    }


def _insert(database: sqlite3.Connection, order: Document) -> None:
    document = json.dumps(order)
    row = (order["number"], order["order_id"], order["status"], document)
    database.execute("INSERT INTO orders VALUES (?, ?, ?, ?)", row)
    event = event_of(order)
    database.execute(
        "INSERT INTO outbox (event_id, event) VALUES (?, ?)", (event["event_id"], json.dumps(event))
    )
