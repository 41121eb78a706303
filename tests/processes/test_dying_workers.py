"""Who comes while no worker is there waits for the next one, and is not turned away."""

import os
import signal
from pathlib import Path

from tests.processes.clients import ORDER
from tests.processes.conftest import Serve
from tests.processes.servers import Server


def workers(server: Server) -> list[int]:
    """The processes that the server has started."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text("ascii")
    return [int(pid) for pid in children.split()]


def test_people_wait_while_the_only_worker_is_replaced(serve: Serve) -> None:
    """Each is answered, though the worker was killed the moment before."""
    server = serve(WORKERS="1")
    for _ in range(3):
        (worker,) = workers(server)
        os.kill(worker, signal.SIGKILL)
        assert server.request("POST", "/order", ORDER)[0] == 201
    numbers = [each["number"] for each in server.request("GET", "/order")[1]["orders"]]
    assert sorted(numbers) == [1001, 1002, 1003]
