"""The clients of the measurements: they send orders and wait until the handlers are done."""

import http.client
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from bench.load import Measurement, drive, render
from bench.servers import HOST, Instance

CLIENTS = 16
DELIVERY_TIMEOUT_S = 600.0
EMPTY = b"[\n]\n"
TAIL_BYTES = 1 << 16
JSON = {"Content-Type": "application/json"}


def send_orders(
    instance: Instance, bodies: list[bytes], orders: int, ports: Sequence[int] = ()
) -> Measurement:
    """Send `orders` orders with sixteen clients, each in a closed loop.

    They are spread over `ports`; without any, all have that of the instance.
    """
    requests = [render("POST", f"{instance.url}/order", body) for body in bodies]
    return drive(HOST, ports or [instance.port], requests, clients=CLIENTS, count=orders)


def request(instance: Instance, method: str, path: str, body: bytes = b"") -> bytes:
    connection = http.client.HTTPConnection(HOST, instance.port, timeout=30)
    connection.request(method, path, body, JSON if body else {})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status >= http.HTTPStatus.BAD_REQUEST:
        raise RuntimeError(f"{method} {path} answered {response.status}: {text!r}")
    return text


def wait_until_delivered(instance: Instance) -> None:
    """Wait until every event is delivered, by the readable files."""
    newest = json.loads(request(instance, "GET", "/order?limit=1"))["orders"][0][
        "order_id"
    ].encode()

    def is_delivered() -> bool:
        in_file = newest in _tail(instance.data / "orders.json")
        return in_file and (instance.data / "outbox.json").read_bytes() == EMPTY

    # the files are replaced one after the other, so check again after the last one
    wait_until(is_delivered)
    time.sleep(0.5)
    wait_until(is_delivered)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for the condition. Raises TimeoutError after DELIVERY_TIMEOUT_S."""
    deadline = time.monotonic() + DELIVERY_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the handlers did not catch up")
        time.sleep(0.05)


def _tail(file: Path) -> bytes:
    """Return the end of a readable file, which has the newest document."""
    with file.open("rb") as opened:
        opened.seek(max(file.stat().st_size - TAIL_BYTES, 0))
        return opened.read()


def timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
