"""Clients that say nothing, or take their time, do not keep others from placing orders.

Bodies that come byte by byte: tests/processes/test_slow_clients.py.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from tests.processes.books import fill_catalogue
from tests.processes.clients import ORDER
from tests.processes.conftest import Serve, serve
from tests.processes.servers import Server

__all__ = ["serve"]
"""The fixture of tests/processes."""

IDLE = 200
SLOW = 40
"""More than all threads of the server together, which are two workers' sixteen each."""

LONGEST_S = 5.0
PIECE_S = 1.0

HEAD = b"POST /order HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


@pytest.fixture
def data(scratch: Path) -> Path:
    """A data folder with two products."""
    fill_catalogue(scratch / "data")
    return scratch / "data"


@pytest.fixture
def crowd(data: Path, serve: Serve) -> Iterator[Server]:
    """A server with 200 idle connections, and 40 clients that send a byte of a head each second."""
    server = serve()
    over = threading.Event()
    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            for _ in range(SLOW)
        ]
        for each in slow:
            each.sendall(HEAD)
        sender = threading.Thread(target=_drip, args=(slow, over))
        sender.start()
        yield server
        over.set()
        sender.join()


def _drip(connections: list[socket.socket], over: threading.Event) -> None:
    while not over.wait(PIECE_S):
        for each in connections:
            each.sendall(b"X")


def test_orders_are_placed_beside_clients_that_are_slow(crowd: Server) -> None:
    """Five orders, each answered within five seconds, while the crowd is there."""
    for _ in range(5):
        began = monotonic()
        status, order = crowd.request("POST", "/order", ORDER)
        assert status == 201, order
        assert monotonic() - began < LONGEST_S
