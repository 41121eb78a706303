"""Clients that send slowly, or stop half-way, block no other client."""

import json
import socket
from contextlib import ExitStack, closing

import pytest

from tests.processes.clients import ORDER
from tests.processes.conftest import Serve
from tests.processes.servers import PATIENCE_S

pytestmark = pytest.mark.deep

SLOW = 100
BODY = json.dumps(ORDER).encode()


def test_slow_bodies_block_no_other_client(serve: Serve) -> None:
    """A hundred clients stop after a part of the body: three times as many as there are threads.

    The other clients are served, and so are the slow ones once they send the rest.
    """
    server = serve(WORKERS="2", THREADS="16")
    with ExitStack() as stack:
        slow = []
        for _ in range(SLOW):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
            slow.append(stack.enter_context(closing(connection)))
            connection.sendall(_head() + BODY[:10])
        for _ in range(20):
            assert server.request("POST", "/order", ORDER)[0] == 201
            assert server.request("GET", "/order?limit=1")[0] == 200
        for connection in slow:
            connection.sendall(BODY[10:])
        for connection in slow:
            assert connection.recv(12) == b"HTTP/1.1 201"


def _head() -> bytes:
    lines = (
        "POST /order HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()
