"""Idempotency-Key across several processes, and when a process is killed."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.processes.servers import PATIENCE_S, Server, wait_for

ORDER = {"customer_name": "Ada", "items": [{"product": "notebook-a5", "quantity": 1}]}


class Answer(NamedTuple):
    """The parts of a response that a client compares."""

    status: int
    is_repeated: bool
    body: bytes


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers with two workers each on one data folder with the sample catalogue."""
    servers = [Server(tmp_path / "data", FAULTS="on") for _ in range(2)]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.kill()


def order(server: Server, key: str, **headers: str) -> Answer:
    """Place the order under `key`. Raises OSError or HTTPException when there is no response."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        own = {"Content-Type": "application/json", "Idempotency-Key": key}
        connection.request("POST", "/order", json.dumps(ORDER), own | headers)
        response = connection.getresponse()
        return Answer(
            response.status, response.headers["Idempotency-Replayed"] == "true", response.read()
        )
    finally:
        connection.close()


def count(server: Server) -> int:
    """The number of orders."""
    return len(server.request("GET", "/order")[1]["orders"])


@pytest.mark.deep
def test_two_hundred_at_once_make_one_order(servers: list[Server]) -> None:
    """Over four processes, one request gets the first response and 199 get it repeated."""
    with ThreadPoolExecutor(40) as pool:
        asked = chain.from_iterable(repeat(servers, 100))
        responses = list(pool.map(lambda server: order(server, "one-key"), asked))
    assert len(responses) == 200
    assert {response.status for response in responses} == {201}
    assert len({response.body for response in responses}) == 1
    assert [response.is_repeated for response in responses].count(False) == 1
    assert [count(server) for server in servers] == [1, 1]


@pytest.mark.deep
def test_the_response_survives_a_kill(servers: list[Server]) -> None:
    """After kill -9 other processes repeat the same response."""
    first = order(servers[0], "one-key")
    servers[0].kill()
    elsewhere = order(servers[1], "one-key")
    servers[1].kill()
    servers[0].start()
    again = order(servers[0], "one-key")
    assert (first.status, first.is_repeated) == (201, False)
    assert elsewhere == again == first._replace(is_repeated=True)
    assert count(servers[0]) == 1


@pytest.mark.deep
def test_a_retry_after_a_kill_gets_the_stored_response(servers: list[Server]) -> None:
    """Killed between storing the order and responding: 409 at first, then the response."""
    first, second = servers
    first.request("PUT", "/fault/inventory", {"mode": "slow", "delay_s": 60})
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(order, first, "one-key", Prefer="wait=4")
        wait_for("the order is stored", lambda: count(second) == 1)
        first.kill()
        with pytest.raises((OSError, HTTPException)):
            lost.result()
    assert order(second, "one-key").status == 409
    responses: list[Answer] = []

    def is_answered() -> bool:
        responses.append(order(second, "one-key"))
        return responses[-1].status != 409

    wait_for("the first request counts as ended", is_answered)
    assert (responses[-1].status, responses[-1].is_repeated) == (201, True)
    assert json.loads(responses[-1].body)["number"] == 1001
    assert count(second) == 1
