"""The peer: an order service with an outbox on Flask, SQLAlchemy 2's ORM and SQLite or PostgreSQL.

It makes Daybook's first promise: a 201 means that the order and its event are on disk in one
transaction (WAL, synchronous=FULL). It checks the same body, prices each line from the products
table and answers the same fields. It stops at the outbox row: no dispatcher reads it. PostgreSQL
keeps the same promise with its own settings (fsync and synchronous_commit are on). The peers of the
full flow are built on it with `order_service`.

bench.servers runs it with PEER_DATA naming the data folder, and PEER_DATABASE the URL of a
PostgreSQL, if it uses one. `import-products` creates the tables, so it runs once before the
workers start. With PEER_QUEUE=on writers queue on a file lock before
they begin, instead of on SQLite's busy time-out, which sleeps and polls.
"""

import csv
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import click
from flask import Flask, Response, jsonify, request
from marshmallow import ValidationError
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, selectinload, sessionmaker
from uuid_utils import uuid7

from bench.peers.documents import CURRENCY, NEW_ORDER, Document, timestamp
from bench.peers.sqlalchemy_tables import (
    FIRST_NUMBER,
    Base,
    Order,
    OrderItem,
    OutboxEvent,
    Product,
    open_database,
)

IN_PROCESS = threading.Lock()


def create_app() -> Flask:
    """Return the service on the folder in PEER_DATA."""
    folder = Path(os.environ["PEER_DATA"])
    is_queued = os.environ.get("PEER_QUEUE") == "on"
    lock = partial(write_lock, folder) if is_queued else nullcontext
    engine = open_database(folder, os.environ.get("PEER_DATABASE"))
    return order_service(engine, add_to_outbox, lock=lock)


def order_service(
    engine: Engine,
    emit: Callable[[Session, Document], object],
    *,
    publish: Callable[[Document], None] = lambda placed: None,
    lock: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Flask:
    """Return the service on `engine`.

    `emit` gets each order in the transaction that adds it, which holds `lock`; `publish` gets it
    afterwards, before the response.
    """
    app = Flask(__name__)
    reading = sessionmaker(engine)
    writing = write_sessions(engine)

    @app.post("/order")
    def create() -> tuple[Response, int, dict[str, str]]:
        wanted = NEW_ORDER.load(request.get_json())
        with reading() as session:  # priced before the write lock, which is held briefly
            items = price_lines(session, wanted["items"])
        with lock(), writing.begin() as session:
            placed = place_order(session, wanted, items)
            emit(session, placed)
        publish(placed)
        return jsonify(placed), 201, {"Location": f"/order/{placed['order_id']}", "ETag": '"1"'}

    @app.get("/order/<order_id>")
    def show(order_id: str) -> tuple[Response, int]:
        query = select(Order).where(Order.order_id == order_id)
        with reading() as session:
            order = session.scalar(query.options(selectinload(Order.items)))
            if order is None:
                return jsonify({"title": "No such order", "status": 404}), 404
            return jsonify(as_json(order)), 200

    @app.get("/order")
    def find() -> Response:
        query = select(Order).options(selectinload(Order.items)).order_by(Order.number.desc())
        if status := request.args.get("status"):
            query = query.where(Order.status == status)
        with reading() as session:
            orders = session.scalars(query.limit(request.args.get("limit", 50, type=int)))
            return jsonify({"orders": [as_json(order) for order in orders]})

    @app.errorhandler(ValidationError)
    def invalid(error: ValidationError) -> tuple[Response, int]:
        return jsonify({"title": "Invalid order", "status": 422, "errors": error.messages}), 422

    @app.cli.command("import-products")
    @click.argument("file", type=click.Path(exists=True, path_type=Path))
    def import_products(file: Path) -> None:
        Base.metadata.create_all(engine)
        with writing.begin() as session, file.open(newline="", encoding="utf-8") as rows:
            if engine.dialect.name == "sqlite":
                set_first_number(session)
            session.add_all(product(row) for row in csv.DictReader(rows))

    return app


def price_lines(session: Session, lines: Sequence[Mapping[str, Any]]) -> list[OrderItem]:
    """Return the order's lines, each at its own amount or, without one, the product's price.

    Raises ValidationError for a product that doesn't exist.
    """
    skus = {line["product"] for line in lines}
    found = session.scalars(select(Product).where(Product.sku.in_(skus)))
    products = {product.sku: product for product in found}
    if missing := skus - products.keys():
        raise ValidationError({"items": [f"no such product: {', '.join(sorted(missing))}"]})
    return [
        OrderItem(
            line=position,
            product=line["product"],
            name=products[line["product"]].name,
            quantity=line["quantity"],
            amount=(amount := line.get("amount", products[line["product"]].price)),
            line_total=amount * line["quantity"],
        )
        for position, line in enumerate(lines, start=1)
    ]


def place_order(session: Session, wanted: Mapping[str, Any], items: list[OrderItem]) -> Document:
    """Add the order to the session's transaction; return its JSON."""
    now = timestamp()
    order = Order(
        order_id=str(uuid7()),
        customer_name=wanted["customer_name"],
        customer_email=wanted["customer_email"],
        currency=CURRENCY,
        total_amount=sum((item.line_total for item in items), Decimal("0.00")),
        status="placed",
        payment_status="pending",
        order_date=now,
        order_update=now,
        version=1,
        history=[{"at": now, "event": "order.placed", "detail": "Order placed"}],
        items=items,
    )
    session.add(order)
    session.flush()  # the event carries the number, which the database assigns
    return as_json(order)


def add_to_outbox(session: Session, placed: Document) -> OutboxEvent:
    """Add the outbox row of a placed order to the session's transaction; return it."""
    event = OutboxEvent(
        event_id=str(uuid7()),
        type="order.placed",
        subject=placed["order_id"],
        time=placed["order_date"],
        data=placed,
    )
    session.add(event)
    return event


def write_sessions(engine: Engine) -> sessionmaker[Session]:
    """Return the sessions of transactions that write: on SQLite they begin IMMEDIATE."""
    return sessionmaker(engine.execution_options(write=True), expire_on_commit=False)


def as_json(order: Order) -> Document:
    """Return the order as it is answered and put into its event."""
    return {
        "order_id": order.order_id,
        "number": order.number,
        "customer_name": order.customer_name,
        "customer_email": order.customer_email,
        "items": [
            {
                "product": item.product,
                "name": item.name,
                "quantity": item.quantity,
                "amount": str(item.amount),
                "line_total": str(item.line_total),
            }
            for item in order.items
        ],
        "currency": order.currency,
        "total_amount": str(order.total_amount),
        "status": order.status,
        "payment_status": order.payment_status,
        "order_date": order.order_date,
        "order_update": order.order_update,
        "version": order.version,
        "history": order.history,
    }


def set_first_number(session: Session) -> None:
    """Set SQLite's first order number; it ignores the start value of the table."""
    last = FIRST_NUMBER - 1
    session.execute(text(f"INSERT INTO sqlite_sequence VALUES ('orders', {last})"))


def product(row: Mapping[str, str]) -> Product:
    """Return one row of the products' CSV as a product."""
    price, quantity = Decimal(row["price"]), int(row["quantity"])
    return Product(sku=row["sku"], name=row["name"], price=price, quantity=quantity)


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold the write lock, among this process's threads and all processes on `folder`."""
    with IN_PROCESS, (folder / "write.lock").open("w") as queue:
        fcntl.flock(queue, fcntl.LOCK_EX)
        yield
