"""A process of a server that dies is replaced, and nobody notices but the log."""

import os
import signal
from functools import partial
from pathlib import Path

from tests.processes.books import documents_in
from tests.processes.clients import ORDER
from tests.processes.conftest import Serve
from tests.processes.servers import leader_of, wait_for


def test_people_wait_while_the_only_worker_is_replaced(serve: Serve) -> None:
    """Each is answered, though the worker was killed the moment before."""
    server = serve(WORKERS="1")
    for _ in range(3):
        wait_for("somebody delivers", lambda: leader_of(server.data))
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
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
        deliverer = leader_of(data)
        assert deliverer not in {None, *server.workers()}
        os.kill(deliverer or 0, signal.SIGKILL)
        assert server.request("POST", "/order", ORDER)[0] == 201
        wait_for("the order is confirmed", partial(is_confirmed, number))


def test_after_a_stop_the_readable_files_have_every_order(data: Path, serve: Serve) -> None:
    """Also the one that was answered just before."""
    server = serve()
    for _ in range(8):
        status, order = server.request("POST", "/order", ORDER)
        assert status == 201
        assert server.stop() == 0
        assert documents_in(data / "orders.json")[-1]["number"] == order["number"]
        server.start()
