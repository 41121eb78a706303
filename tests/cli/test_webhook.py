"""`flask webhook listen`."""

import signal
import socket
from pathlib import Path
from time import time

import pytest

from app.webhooks.sender import Sender
from app.webhooks.signature import headers, new_secret
from tests.cli import shell
from tests.cli.conftest import Give
from tests.processes.servers import Server, free_port

SECRET = new_secret()
BODY = b'{"type": "product.low_stock", "subject": "tea", "data": {}}'


def test_a_listener_prints_what_it_receives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where it listens, prints a line for each webhook, and ends by Ctrl-C."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    process = shell.start(tmp_path, "webhook", "listen", "--port", str(free_port()))
    try:
        assert process.stdout
        said = process.stdout.readline()
        url = said.split()[2]
        signed = headers([SECRET], "event-1", int(time()), BODY)
        assert Sender(allow_http=True, allow_private=True).post(url, signed, BODY).status == 200
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(shell.PATIENCE_S) == 0
    finally:
        shell.end(process)
    assert said == f"Listening at {url} until Ctrl-C.\n"
    assert line[8:] == "  event:   product.low_stock   tea  [event-1]\n"
    assert not any(tmp_path.iterdir())


@pytest.mark.deep
def test_a_class_sees_an_order_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint is registered as docs/webhooks.md says, and each event of an order is a line."""
    server = Server(tmp_path / "data", WEBHOOK_HTTP="on", WEBHOOK_PRIVATE="on").start()
    port = str(free_port())
    endpoint = {"url": f"http://127.0.0.1:{port}/", "types": ["order.*", "inventory.reserved"]}
    order = {"customer_name": "Ada", "items": [{"product": "notebook-a5", "quantity": 3}]}
    try:
        status, added = server.request("POST", "/webhook", endpoint)
        monkeypatch.setenv("WEBHOOK_SECRET", added["secret"])
        process = shell.start(tmp_path / "data", "webhook", "listen", "--port", port)
        try:
            assert process.stdout
            process.stdout.readline()
            assert (status, server.request("POST", "/order", order)[0]) == (201, 201)
            lines = [process.stdout.readline()[10:].partition("  [")[0] for _ in range(2)]
        finally:
            shell.end(process)
    finally:
        server.kill()
    assert lines == [
        "event:   order.placed        order 1001  Ada  23.70 EUR  placed, payment pending",
        "event:   inventory.reserved  order 1001  Ada  23.70 EUR  confirmed, payment pending",
    ]


def test_without_a_secret_it_explains_how_to_get_one(flask: Give) -> None:
    """The prompt comes after the request that registers the URL."""
    shown = flask("webhook", "listen", "--port", "9123")
    assert shown.exit_code == 1
    assert "http://127.0.0.1:9123/" in shown.stderr
    assert shown.stderr.index("localhost:8000/webhook") < shown.stderr.index("secret:")


@pytest.mark.parametrize("secret", ["whsec_", "whsec_abc", "whsec_é", "s3cret"])
def test_a_secret_that_cannot_be_is_refused(
    flask: Give, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message does not repeat it."""
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    shown = flask("webhook", "listen")
    assert (shown.exit_code, shown.stderr) == (
        2,
        "Error: The secret is `whsec_` and base64; copy all of it.\n",
    )


def test_a_port_in_use_is_named(flask: Give, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the cause."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        shown = flask("webhook", "listen", "--port", port)
    assert (shown.exit_code, shown.stderr) == (
        2,
        f"Error: Port {port} cannot be used: Address already in use.\n",
    )
