"""A stop or kill -9 while a webhook is being sent: it comes again, with the same id."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.processes.servers import PATIENCE_S, Server, leader_of, wait_for
from tests.webhooks.receivers import Receiver, response

pytestmark = pytest.mark.deep


class Killer:
    """Answers 200. At the first request it first stops the delivery worker, which records nothing
    any more, and then kills all processes.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.has_killed = False

    def respond(self, connection: socket.socket) -> None:
        if self.has_killed:
            response(200)(connection)
            return
        leader = leader_of(self._server.data)
        assert leader
        os.kill(leader, signal.SIGSTOP)
        response(200)(connection)
        self._server.kill()
        self.has_killed = True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A shop that may send to this machine."""
    settings = {"WEBHOOK_HTTP": "on", "WEBHOOK_PRIVATE": "on", "WORKERS": "1"}
    server = Server(tmp_path / "data", **settings).start()
    yield server
    server.kill()


def test_an_event_that_was_accepted_and_not_recorded_comes_again(server: Server) -> None:
    """Between the receiver's 200 and the record: the receiver knows the id, and drops it."""
    killer = Killer(server)
    with Receiver(killer.respond) as receiver:
        wanted = {"url": receiver.url, "types": ["order.placed"]}
        assert server.request("POST", "/webhook", wanted)[0] == 201
        order = {"customer_name": "Ada", "items": [{"product": "pencil-hb", "quantity": 1}]}
        with suppress(OSError):  # the kill can come before the response
            server.request("POST", "/order", order)
        wait_for("all are killed", lambda: killer.has_killed)
        server.start()
        server.request("POST", "/order", order)
        ids = [
            each["id"] for each in server.request("GET", "/event?type=order.placed")[1]["events"]
        ]

        def received() -> list[str]:
            return [request.headers["webhook-id"] for request in receiver.requests]

        wait_for("every event has come, one again", lambda: len(received()) > len(ids))
    assert [received().count(each) for each in ids] == [2, 1]


def test_a_stop_does_not_wait_for_a_receiver_that_hangs(server: Server) -> None:
    """The delivery worker ends before the server would kill it; the event comes again."""
    release = threading.Event()

    def hang(connection: socket.socket) -> None:
        release.wait(PATIENCE_S)
        response(200)(connection)

    with Receiver(hang) as receiver:
        wanted = {"url": receiver.url, "types": ["order.placed"]}
        assert server.request("POST", "/webhook", wanted)[0] == 201
        order = {"customer_name": "Ada", "items": [{"product": "pencil-hb", "quantity": 1}]}
        assert server.request("POST", "/order", order)[0] == 201
        wait_for("the receiver hangs", lambda: receiver.requests)
        server.stop()
        assert "Killing worker" not in server.log.read_text()
        release.set()
        server.start()
        wait_for("it comes again", lambda: len(receiver.requests) == 2)
        first, again = (each.headers["webhook-id"] for each in receiver.requests)
    assert first == again
