"""Peers that say nothing, or take their time, keep nobody from placing orders.

Bodies that come byte by byte: tests/processes/test_slow_clients.py.
"""

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic

import pytest

from tests.processes.clients import ORDER
from tests.processes.conftest import Serve, serve
from tests.processes.reconciliation import documents_in, fill_catalogue
from tests.processes.servers import Server, wait_for

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


@pytest.fixture
def silent_mail_server() -> Iterator[socket.socket]:
    """One that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening


def placed(server: Server, count: int = 10) -> list[str]:
    """So many orders more; their ids."""
    answers = [server.request("POST", "/order", ORDER) for _ in range(count)]
    assert [status for status, _ in answers] == [201] * count
    return [order["order_id"] for _, order in answers]


def states(server: Server, order_id: str) -> dict[str, str]:
    """How far each handler of the placed order is."""
    _, answer = server.request("GET", f"/order/{order_id}/events")
    (event,) = (each for each in answer["events"] if each["event"]["type"] == "order.placed")
    return {handler: each["state"] for handler, each in event["deliveries"].items()}


def wait_for_handlers(server: Server, orders: list[str], done: set[str]) -> None:
    """Until these are through with all orders."""
    wait_for(f"{done} done", lambda: all(done <= _through(server, each) for each in orders))


def _through(server: Server, order_id: str) -> set[str]:
    return {handler for handler, state in states(server, order_id).items() if state == "done"}


def test_a_mail_server_that_hangs_holds_up_mail_alone(
    serve: Serve, silent_mail_server: socket.socket
) -> None:
    """Orders are answered, reserved and billed while mails wait for its first word."""
    port = silent_mail_server.getsockname()[1]
    server = serve(SMTP_URL=f"smtp://127.0.0.1:{port}")
    first = placed(server)
    with silent_mail_server.accept()[0] as connection:
        orders = first + placed(server)
        wait_for_handlers(server, orders, {"inventory", "billing"})
        assert {states(server, each)["notification"] for each in orders} == {"pending"}
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)  # it is still there, and waits


@pytest.mark.deep
def test_a_stop_while_the_mail_server_hangs_leaves_true_files(
    data: Path, serve: Serve, silent_mail_server: socket.socket
) -> None:
    """Who waits for its first word is killed, but writes the readable files before."""
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
        account.execute("BEGIN EXCLUSIVE")  # whoever asks now waits for five seconds, in vain
        orders = placed(server)
        wait_for_handlers(server, orders, {"inventory", "notification"})
        assert {states(server, each)["billing"] for each in orders} == {"pending"}
        account.rollback()
        wait_for_handlers(server, orders, {"billing"})
        charged = account.execute("SELECT count(*), count(reference) FROM requests").fetchone()
    assert charged == (1 + len(orders), 1 + len(orders))
