"""A dead process of a server is replaced, and no client notices."""

import json
import os
import signal
import socket
import subprocess
from functools import partial
from pathlib import Path
from time import sleep

import pytest

from app.server.heartbeats import HEARTBEAT_INTERVAL_S, HEARTBEATS_MISSED_MAX
from tests.processes.clients import ORDER
from tests.processes.conftest import Serve
from tests.processes.reconciliation import documents_in
from tests.processes.servers import (
    PATIENCE_S,
    children,
    has_ended,
    has_read,
    kill,
    leader_of,
    wait_for,
)

pytestmark = pytest.mark.deep


def test_requests_wait_while_the_only_worker_is_replaced(serve: Serve) -> None:
    """Each request is answered, though the worker was killed just before."""
    server = serve(WORKERS="1")
    for _ in range(3):
        wait_for("a process delivers", lambda: leader_of(server.data))
        (worker,) = server.workers()
        kill(worker)
        assert server.request("POST", "/order", ORDER)[0] == 201
    numbers = [each["number"] for each in server.request("GET", "/order")[1]["orders"]]
    assert sorted(numbers) == [1001, 1002, 1003]


def test_the_delivery_worker_is_replaced(data: Path, serve: Serve) -> None:
    """Orders are accepted meanwhile, and the next delivery worker delivers their events."""
    server = serve()

    def is_confirmed(number: int) -> bool:
        return bool(server.request("GET", f"/order/{number}")[1]["status"] != "placed")

    for number in (1001, 1002, 1003):
        wait_for("a process delivers", lambda: leader_of(data))
        delivery_worker = leader_of(data)
        assert delivery_worker not in {None, *server.workers()}
        kill(delivery_worker or 0)
        assert server.request("POST", "/order", ORDER)[0] == 201
        wait_for("the order is confirmed", partial(is_confirmed, number))


def test_workers_end_when_the_server_is_killed(serve: Serve) -> None:
    """One that went on would keep the port, and accept orders that no process delivers.

    Each stops in good order, and is not killed by its timeout.
    """
    server = serve()
    wait_for("a process delivers", lambda: leader_of(server.data))
    workers = children(server.pid)
    assert len(workers) == 3
    os.kill(server.pid, signal.SIGKILL)
    wait_for("the workers have ended", lambda: all(map(has_ended, workers)))
    assert server.log.read_text().count('"Stopping worker-') == 2
    server.kill()
    server.start()


def test_a_start_waits_for_the_port_of_a_killed_server(serve: Serve) -> None:
    """A start right after kill -9 succeeds, also while a worker still waits for a slow client."""
    server = serve()
    wait_for("a process delivers", lambda: leader_of(server.data))
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as client:
        client.sendall(b"POST /order HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        wait_for("a worker has read the head", lambda: has_read(server.port, client))
        server.kill_main_process()
        server.start()
        # until they notice the death of their server, the old workers answer on the port as well
        wait_for("the new server has workers", lambda: len(children(server.pid)) == 3)
        wait_for("one of them listens", server.answers)
        assert server.request("POST", "/order", ORDER)[0] == 201


def test_a_process_that_has_ended_is_no_child() -> None:
    """A zombie does not count: the server has still to notice its death, and to replace it."""
    with subprocess.Popen(["true"]) as process:
        wait_for("the process has ended", lambda: has_ended(process.pid))
        assert process.pid not in children(os.getpid())


def test_a_worker_that_hangs_is_replaced(data: Path, serve: Serve) -> None:
    """A stopped worker and a stopped delivery worker are killed and restarted, and nothing else."""
    server = serve()
    wait_for("a process delivers", lambda: leader_of(data))
    delivery_worker = leader_of(data) or 0
    one, other = server.workers()
    for each in (one, delivery_worker):
        os.kill(each, signal.SIGSTOP)
    for each in (one, delivery_worker):
        wait_for("the stopped process has ended", partial(has_ended, each))
    wait_for("both are replaced", lambda: len(children(server.pid)) == 3)
    for _ in range(8):
        assert server.request("POST", "/order", ORDER)[0] == 201
    wait_for("a process delivers", lambda: leader_of(data))
    assert leader_of(data) != delivery_worker
    assert other in server.workers()


def test_workers_that_were_suspended_with_their_server_go_on(serve: Serve) -> None:
    """All are stopped for longer than a worker may hang, as on a machine that sleeps."""
    server = serve()
    wait_for("a process delivers", lambda: leader_of(server.data))
    before = children(server.pid)
    for _ in range(2):
        os.killpg(server.pid, signal.SIGSTOP)
        sleep(HEARTBEATS_MISSED_MAX * HEARTBEAT_INTERVAL_S + 1)  # what passes here is tested
        os.killpg(server.pid, signal.SIGCONT)
        assert server.request("POST", "/order", ORDER)[0] == 201
    sleep(2)
    assert children(server.pid) == before


def test_an_order_placed_during_a_stop_is_in_the_readable_files(data: Path, serve: Serve) -> None:
    """Connected clients are served first; the delivery worker writes the last checkpoint."""
    server = serve()
    wait_for("a process delivers", lambda: leader_of(data))
    workers, delivery_worker = server.workers(), leader_of(data)
    body = json.dumps(ORDER).encode()
    head = b"POST /order HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as client:
        client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
        wait_for("a worker has read the head", lambda: has_read(server.port, client))
        os.kill(server.pid, signal.SIGTERM)
        wait_for("the idle worker has ended", lambda: any(map(has_ended, workers)))
        assert not has_ended(delivery_worker or 0)
        client.sendall(body)
        assert client.recv(64).startswith(b"HTTP/1.1 201 ")
    assert server.stop() == 0
    assert [each["number"] for each in documents_in(data / "orders.json")] == [1001]


def test_after_a_stop_the_readable_files_have_every_order(data: Path, serve: Serve) -> None:
    """An order that was answered just before the stop is in orders.json, too."""
    server = serve()
    for _ in range(8):
        status, order = server.request("POST", "/order", ORDER)
        assert status == 201
        assert server.stop() == 0
        assert documents_in(data / "orders.json")[-1]["number"] == order["number"]
        server.start()
