"""Restarts under load: a stop fails no request, and kill -9 loses no order."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import sleep

import pytest

from tests.processes.clients import ORDER
from tests.processes.conftest import Serve
from tests.processes.reconciliation import open_store
from tests.processes.servers import PATIENCE_S, Server, exchange, wait_for

_log = logging.getLogger(__name__)

CLIENTS = 4
TIMES = [pytest.param(1, id="quick"), pytest.param(20, id="full", marks=pytest.mark.deep)]


class Clients:
    """Clients that place each order on a new connection, and retry only a refused connection."""

    def __init__(self, server: Server) -> None:
        self.acknowledged: list[str] = []
        self.failed: list[str] = []
        self._server = server
        self._over = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator["Clients"]:
        threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join(PATIENCE_S)
            _log.warning("%d orders; failed: %s", len(self.acknowledged), self.failed[-CLIENTS:])

    def place_more(self) -> None:
        """Wait until twenty more orders are acknowledged."""
        enough = len(self.acknowledged) + 20
        wait_for("orders are placed", lambda: len(self.acknowledged) > enough)

    def _work(self) -> None:
        while not self._over.is_set():
            connection = HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE_S)
            try:
                connection.connect()
            except ConnectionRefusedError:
                sleep(0.01)
                continue
            except OSError as error:
                self.failed.append(repr(error))
                continue
            self._place(connection)
            connection.close()

    def _place(self, connection: HTTPConnection) -> None:
        try:
            status, order = exchange(connection, "POST", "/order", ORDER)
        except (OSError, HTTPException, ValueError) as error:  # the last: the body is no JSON
            self.failed.append(repr(error))
            return
        if status == 201:
            self.acknowledged.append(order["order_id"])
        else:
            self.failed.append(f"{status} {order}")


@pytest.mark.parametrize("times", TIMES)
def test_a_restart_fails_no_request(data: Path, serve: Serve, times: int) -> None:
    """Connected clients are answered; other connections are refused, and the clients retry."""
    server = serve()
    with Clients(server).at_work() as clients:
        for _ in range(times):
            clients.place_more()
            assert server.stop() == 0
            server.start()
    assert clients.failed == []
    with open_store(data) as store:
        assert set(clients.acknowledged) <= {order["order_id"] for order in store.orders()}


@pytest.mark.parametrize("times", TIMES)
def test_kill_9_loses_no_order(data: Path, serve: Serve, times: int) -> None:
    """Every acknowledged order is stored, whenever the server was killed."""
    server = serve()
    with Clients(server).at_work() as clients:
        for _ in range(times):
            clients.place_more()
            server.kill()
            server.start()
    with open_store(data) as store:
        assert set(clients.acknowledged) <= {order["order_id"] for order in store.orders()}
    assert len(clients.acknowledged) > 20 * times
