"""Peers that are silent or slow do not prevent orders from being placed.

Bodies that come byte by byte: tests/processes/test_slow_clients.py.
"""

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.processes.clients import ORDER
from tests.processes.conftest import Serve, serve
from tests.processes.reconciliation import documents_in, fill_catalogue
from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep

__all__ = ["serve"]
"""The fixture of tests/processes."""

IDLE = 200
SLOW = 40
"""More than all threads of the server together, which are two workers' sixteen each."""

BYTE_INTERVAL_S = 1.0

HEAD = b"POST /order HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


@pytest.fixture
def data(scratch: Path) -> Path:
    """A data folder with two products."""
    fill_catalogue(scratch / "data")
    return scratch / "data"


@pytest.fixture
def crowd(data: Path, serve: Serve) -> Iterator[Server]:
    """A server with 200 idle connections, and 40 clients that send a byte of a head each second.

    It keeps all of them open throughout the test.
    """
    server = serve()
    over = threading.Event()
    with ExitStack() as stack:
        idle, slow = (
            [
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                for _ in range(count)
            ]
            for count in (IDLE, SLOW)
        )
        for each in slow:
            each.sendall(HEAD)
        sender = threading.Thread(target=_drip, args=(slow, over))
        sender.start()
        yield server
        over.set()
        sender.join()
        assert all(is_open(each) for each in (*idle, *slow))


def _drip(connections: list[socket.socket], over: threading.Event) -> None:
    while not over.wait(BYTE_INTERVAL_S):
        for each in connections:
            each.sendall(b"X")


def is_open(connection: socket.socket) -> bool:
    """Whether the peer has neither answered nor closed the connection."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    return False


def test_orders_are_placed_beside_slow_clients(crowd: Server) -> None:
    """Five orders are answered before any of the unfinished requests ends or is cut off."""
    for _ in range(5):
        status, order = crowd.request("POST", "/order", ORDER)
        assert status == 201, order


@pytest.fixture
def silent_mail_server() -> Iterator[socket.socket]:
    """A mail server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening


def placed(server: Server, count: int = 10) -> list[str]:
    """Place so many orders; returns their ids."""
    answers = [server.request("POST", "/order", ORDER) for _ in range(count)]
    assert [status for status, _ in answers] == [201] * count
    return [order["order_id"] for _, order in answers]


def states(server: Server, order_id: str) -> dict[str, str]:
    """The state of each handler's delivery of order.placed."""
    _, answer = server.request("GET", f"/order/{order_id}/events")
    (event,) = (each for each in answer["events"] if each["event"]["type"] == "order.placed")
    return {handler: each["state"] for handler, each in event["deliveries"].items()}


def wait_for_handlers(server: Server, orders: list[str], done: set[str]) -> None:
    """Wait until these handlers are done with all orders."""
    wait_for(f"{done} done", lambda: all(done <= _done(server, each) for each in orders))


def _done(server: Server, order_id: str) -> set[str]:
    return {handler for handler, state in states(server, order_id).items() if state == "done"}


def test_a_mail_server_that_hangs_holds_up_mail_alone(
    serve: Serve, silent_mail_server: socket.socket
) -> None:
    """Orders are answered, reserved and billed while mails wait for its greeting."""
    port = silent_mail_server.getsockname()[1]
    server = serve(SMTP_URL=f"smtp://127.0.0.1:{port}")
    first = placed(server)
    with silent_mail_server.accept()[0] as connection:
        orders = first + placed(server)
        wait_for_handlers(server, orders, {"inventory", "billing"})
        assert {states(server, each)["notification"] for each in orders} == {"pending"}
        assert is_open(connection)


def test_a_stop_while_the_mail_server_hangs_leaves_true_files(
    data: Path, serve: Serve, silent_mail_server: socket.socket
) -> None:
    """The process that waits for its greeting is killed, after it wrote the readable files."""
    port = silent_mail_server.getsockname()[1]
    server = serve(SMTP_URL=f"smtp://127.0.0.1:{port}")
    placed(server)
    with silent_mail_server.accept()[0]:
        orders = placed(server)
        server.stop()
    assert orders == [each["order_id"] for each in documents_in(data / "orders.json")][-10:]


def test_a_gateway_that_does_not_answer_holds_up_payment_alone(data: Path, serve: Serve) -> None:
    """Orders are answered, reserved and confirmed by mail; once it answers, each is paid once."""
    server = serve(PAYMENT_METHOD="approve")
    wait_for_handlers(server, placed(server, 1), {"billing"})
    with closing(sqlite3.connect(data / "gateway" / "account.sqlite")) as account:
        account.execute("BEGIN EXCLUSIVE")  # requests now wait for five seconds, and fail
        orders = placed(server)
        wait_for_handlers(server, orders, {"inventory", "notification"})
        assert {states(server, each)["billing"] for each in orders} == {"pending"}
        account.rollback()
        wait_for_handlers(server, orders, {"billing"})
        charged = account.execute("SELECT count(*), count(reference) FROM requests").fetchone()
    assert charged == (1 + len(orders), 1 + len(orders))
