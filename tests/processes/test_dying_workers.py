"""A process of a server that dies is replaced, and nobody notices but the log."""

import json
import os
import signal
import socket
from functools import partial
from pathlib import Path
from time import sleep

from tests.processes.clients import ORDER
from tests.processes.conftest import Serve
from tests.processes.reconciliation import documents_in
from tests.processes.servers import PATIENCE_S, children, kill, leader_of, wait_for


def test_people_wait_while_the_only_worker_is_replaced(serve: Serve) -> None:
    """Each is answered, though the worker was killed the moment before."""
    server = serve(WORKERS="1")
    for _ in range(3):
        wait_for("somebody delivers", lambda: leader_of(server.data))
        (worker,) = server.workers()
        kill(worker)
        assert server.request("POST", "/order", ORDER)[0] == 201
    numbers = [each["number"] for each in server.request("GET", "/order")[1]["orders"]]
    assert sorted(numbers) == [1001, 1002, 1003]


def test_who_delivers_is_replaced(data: Path, serve: Serve) -> None:
    """People are served meanwhile, and what they order is delivered by the next one."""
    server = serve()

    def is_confirmed(number: int) -> bool:
        return bool(server.request("GET", f"/order/{number}")[1]["status"] != "placed")

    for number in (1001, 1002, 1003):
        wait_for("somebody delivers", lambda: leader_of(data))
        delivery_worker = leader_of(data)
        assert delivery_worker not in {None, *server.workers()}
        kill(delivery_worker or 0)
        assert server.request("POST", "/order", ORDER)[0] == 201
        wait_for("the order is confirmed", partial(is_confirmed, number))


def test_all_end_when_the_server_is_killed(serve: Serve) -> None:
    """Nobody would deliver the orders of a worker that went on, nor free its port."""
    server = serve()
    wait_for("somebody delivers", lambda: leader_of(server.data))
    workers = children(server.pid)
    assert len(workers) == 3
    os.kill(server.pid, signal.SIGKILL)
    wait_for("they have ended", lambda: not any(Path(f"/proc/{each}").exists() for each in workers))
    server.kill()
    server.start()


def test_an_order_that_comes_during_a_stop_is_in_the_readable_files(
    data: Path, serve: Serve
) -> None:
    """Whoever is connected is served; who writes the files waits for that."""
    server = serve()
    body = json.dumps(ORDER).encode()
    head = b"POST /order HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as client:
        client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
        sleep(0.2)  # a worker has begun to read
        os.kill(server.pid, signal.SIGTERM)
        sleep(0.5)  # whoever ends at once has ended
        client.sendall(body)
        assert client.recv(64).startswith(b"HTTP/1.1 201 ")
    assert server.stop() == 0
    assert [each["number"] for each in documents_in(data / "orders.json")] == [1001]


def test_after_a_stop_the_readable_files_have_every_order(data: Path, serve: Serve) -> None:
    """Also the one that was answered just before."""
    server = serve()
    for _ in range(8):
        status, order = server.request("POST", "/order", ORDER)
        assert status == 201
        assert server.stop() == 0
        assert documents_in(data / "orders.json")[-1]["number"] == order["number"]
        server.start()
