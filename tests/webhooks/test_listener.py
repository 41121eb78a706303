"""The receiver of `flask webhook listen`, and the subscribers in docs/webhooks/."""

import json
import os
import runpy
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import time
from typing import Any

import pytest

from app.webhooks.listener import BODY_MAX_BYTES, Listener, describe
from app.webhooks.sender import Sender
from app.webhooks.signature import headers, new_secret
from tests.clients.conftest import TOOLS
from tests.processes.servers import free_port, wait_for

SUBSCRIBERS = Path(__file__).parents[2] / "docs" / "webhooks"
SECRET = new_secret()
EVENT = {
    "id": "event-1",
    "type": "order.placed",
    "subject": "order-1",
    "data": {
        "order": {
            "number": 1001,
            "customer_name": "Zoë",
            "total_amount": "9.00",
            "currency": "EUR",
            "status": "placed",
            "payment_status": "pending",
        }
    },
}
BODY = json.dumps(EVENT).encode()
PLACED = "order.placed        order 1001  Zoë  9.00 EUR  placed, payment pending"


def post(url: str, secret: str = SECRET, event_id: str = "event-1", body: bytes = BODY) -> int:
    """Send a webhook as the shop does; return the status of the response."""
    sender = Sender(allow_http=True, allow_private=True)
    return sender.post(url, headers([secret], event_id, int(time()), body), body).status


@pytest.fixture
def lines() -> list[str]:
    """What the listener has reported."""
    return []


@pytest.fixture
def listener(lines: list[str]) -> Iterator[Listener]:
    """A listener at a free port."""
    with Listener(0, SECRET, lines.append) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield listener
        listener.shutdown()
        thread.join()


class TestListener:
    """Verifies, reports, and notices what comes twice."""

    def test_each_event_is_reported_once(self, listener: Listener, lines: list[str]) -> None:
        """With what it is about; the same id again is accepted, and nothing is done."""
        assert [post(listener.url), post(listener.url), post(listener.url, event_id="event-2")] == [
            *(200, 200, 200)
        ]
        assert lines == [
            f"event:   {PLACED}  [event-1]",
            "again:   event-1 has come before, so nothing is done",
            f"event:   {PLACED}  [event-2]",
        ]

    def test_what_is_not_signed_is_refused(self, listener: Listener, lines: list[str]) -> None:
        """Nothing of it is shown, and its id is not taken for one that has come."""
        assert post(listener.url, secret=new_secret()) == 401
        assert (
            Sender(allow_http=True, allow_private=True).post(listener.url, {}, BODY).status == 401
        )
        assert lines == ["refused: the signature is not valid, or older than five minutes"] * 2
        assert post(listener.url) == 200

    @pytest.mark.parametrize("length", ["", "x", "-1", str(BODY_MAX_BYTES + 1)])
    def test_a_body_without_a_sound_length_is_refused(
        self, listener: Listener, lines: list[str], length: str
    ) -> None:
        """Nothing of it is read."""
        with closing(HTTPConnection("127.0.0.1", listener.server_address[1])) as connection:
            connection.putrequest("POST", "/")
            connection.putheader("Content-Length", length)
            connection.endheaders()
            assert connection.getresponse().status == 413
        assert lines == []

    @pytest.mark.parametrize(
        ("data", "line"),
        [
            (
                {"product": {"sku": "tea", "name": "Assam", "available": 0}},
                "  tea  Assam  0 available",
            ),
            ({"products": [], "count": 0}, "  tea"),
        ],
    )
    def test_every_event_is_described(self, data: dict[str, Any], line: str) -> None:
        """Also one that is not about an order."""
        event = {"type": "product.low_stock", "subject": "tea", "data": data}
        assert describe(event) == f"product.low_stock {line}"


class TestSubscribers:
    """The examples of docs/webhooks/ do what they say."""

    def test_the_one_in_python_does_nothing_twice(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """It verifies, and keeps the id of each event that it has handled."""
        monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
        monkeypatch.setenv("DATABASE", str(tmp_path / "subscriber.db"))
        client = runpy.run_path(str(SUBSCRIBERS / "subscriber.py"))["app"].test_client()
        signed = headers([SECRET], "event-1", int(time()), BODY)
        statuses = [client.post("/", data=BODY, headers=signed).status_code for _ in range(2)]
        assert statuses == [204, 204]
        assert client.post("/", data=BODY + b" ", headers=signed).status_code == 401
        assert capfd.readouterr().out == "order.placed order-1\n"
        with closing(sqlite3.connect(tmp_path / "subscriber.db")) as database:
            assert database.execute("SELECT id FROM seen").fetchall() == [("event-1",)]

    @pytest.mark.deep
    def test_the_one_in_javascript_does_nothing_twice(self, tmp_path: Path) -> None:
        """It verifies with the official library, and does an event once."""
        with _on_node(tmp_path) as (url, output):
            assert [post(url), post(url), post(url, secret=new_secret())] == [204, 204, 401]
            assert post(url, secret=SECRET, event_id="event-1", body=BODY[:-1]) == 401
            assert output() == "order.placed order-1\n"


@contextmanager
def _on_node(folder: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Run subscriber.mjs with the packages that `make deep` installs: its URL, and its output."""
    packages = TOOLS.parent
    assert (packages / "standardwebhooks").exists(), "run `make deep`"
    (folder / "node_modules").symlink_to(packages)
    (folder / "subscriber.mjs").write_bytes((SUBSCRIBERS / "subscriber.mjs").read_bytes())
    port, printed = free_port(), folder / "printed"
    environment = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    with printed.open("wb") as output:
        process = subprocess.Popen(
            ["node", "subscriber.mjs"], cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        wait_for("the subscriber responds", lambda: _accepts(port))
        yield f"http://127.0.0.1:{port}/", printed.read_text
    finally:
        process.kill()
        process.wait()


def _accepts(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        try:
            connection.connect()
        except OSError:
            return False
    return True
