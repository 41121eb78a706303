"""Measures the processor time of each part of one POST: `python -m bench.costs`.

One thread and no server, so that each part is timed by itself. The table goes to stdout and to
bench/costs.md.
"""

import argparse
import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response
from werkzeug.test import run_wsgi_app

from app import create_app
from app.config import Config
from app.http.requests.body import json_object
from app.http.requests.idempotency import request_key
from app.http.requests.long_poll import requested_wait_s
from app.http.responses.json_response import etag_response
from app.orders.schemas import request_schema
from app.orders.service import OrderPolicy, place_order
from app.schema import strict_json
from app.schema.validation import load
from app.store import Transaction
from app.store.files.store import JsonFileStore
from bench.generate import add_products
from bench.machine import facts
from bench.peers import flask_echo
from bench.servers import ROOT, work_folder
from bench.workload import write_orders

WHOLE_POST = "the whole POST, in a batch of its own"
HTTP_LAYER = "of this the HTTP layer: sign-in, proxies, body, idempotency key, headers, errors"
RESULTS = ROOT / "bench" / "costs.md"
SAMPLES, CALLS_PER_SAMPLE = 30, 50
BATCH_ORDERS = 16


def main() -> int:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.costs", description=__doc__)
    parser.add_argument("--folder", type=Path, help="a folder on a disk for the data")
    folder = parser.parse_args().folder
    with work_folder(folder) as work:
        write_orders(work / "orders")
        rows = _rows(work / "data", (work / "orders").read_bytes().splitlines()[0])
    fact_lines = "\n".join(f"- {name}: {fact}" for name, fact in facts(folder).items())
    table = "\n".join(f"| {name} | {microseconds:.0f} |" for name, microseconds in rows.items())
    page = (
        "# The processor time of one POST\n\nWritten by `python -m bench.costs`; do not edit. "
        f"Medians.\n\n{fact_lines}\n\n| part | µs |\n| --- | ---: |\n{table}\n\n"
        f"The HTTP layer is {rows[HTTP_LAYER] / rows[WHOLE_POST]:.0%} of the POST.\n"
    )
    print(page)
    RESULTS.write_text(page, "utf-8")
    return 0


def _rows(data: Path, body: bytes) -> dict[str, float]:
    config = Config(data=data)
    app = create_app(config)
    runtime = app.extensions["daybook"]
    store: JsonFileStore = runtime.open()
    add_products(store)
    # another store leads, so that no handler runs in this process meanwhile
    leader = JsonFileStore(data, runtime.collections)
    leader.lease_shards(timeout_s=1)
    schema, rules = request_schema(config.currency), OrderPolicy(config.currency)
    order = load(schema, strict_json.loads(body))

    def place_all(tx: Transaction) -> None:
        for _ in range(BATCH_ORDERS):
            place_order(tx, rules, order)

    def place_batch() -> None:
        store.run_in_transaction(place_all)

    def place_alone() -> None:
        store.run_in_transaction(lambda tx: place_order(tx, rules, order))

    def change_nothing() -> None:
        store.run_in_transaction(lambda _tx: None)

    rows = {
        "Flask alone: a request in, JSON out (the echo)": _microseconds(
            _poster(flask_echo.create_app(), body)
        ),
        "reading the body as strict JSON": _microseconds(lambda: strict_json.loads(body)),
        "validating it (marshmallow)": _microseconds(lambda: load(schema, json.loads(body))),
        "an empty transaction: locks, catching up": _microseconds(change_nothing),
        f"an order in a batch of {BATCH_ORDERS}: prices, order, event, journal, indexes": (
            _microseconds(place_batch) / BATCH_ORDERS
        ),
        "an order in a batch of its own, with its sync": _microseconds(place_alone),
        WHOLE_POST: _microseconds(_poster(app, body)),
    }
    echo = next(iter(rows.values()))
    rows[HTTP_LAYER] = _microseconds(_poster(_without_the_order(app, store, config), body)) - echo
    leader.close()
    runtime.close()
    return rows


def _without_the_order(app: Flask, store: JsonFileStore, config: Config) -> Flask:
    """Make POST /order respond with an order that is already stored."""
    schema = request_schema(config.currency)
    with store.read() as view:
        [order] = view.find("orders", limit=1).documents

    def answer_only() -> Response:
        request_key()
        load(schema, json_object())
        requested_wait_s()
        return etag_response(order, 201, Location=f"/order/{order['order_id']}")

    app.view_functions["orders.post_order"] = answer_only
    return app


def _microseconds(call: Callable[[], object]) -> float:
    """Return the median processor time of one call in this thread; handlers run in others."""
    call()
    samples = []
    for _ in range(SAMPLES):
        began = time.thread_time()
        for _ in range(CALLS_PER_SAMPLE):
            call()
        samples.append((time.thread_time() - began) / CALLS_PER_SAMPLE * 1e6)
    return statistics.median(samples)


def _poster(app: Flask, body: bytes) -> Callable[[], object]:
    """Return a function that calls the WSGI application with POST /order."""

    def post() -> None:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/order",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        _, status, _ = run_wsgi_app(app.wsgi_app, environ, buffered=True)
        if not status.startswith("201"):
            raise RuntimeError(f"POST /order answered {status}")

    return post


if __name__ == "__main__":
    sys.exit(main())
