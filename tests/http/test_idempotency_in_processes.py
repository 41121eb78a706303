"""One Idempotency-Key, many requests, several processes, and a process that dies."""

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
    """What a client sees of an answer."""

    status: int
    is_repeated: bool
    body: bytes


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers of two workers each on one data folder, the sample catalogue in it."""
    servers = [Server(tmp_path / "data", FAULTS="on") for _ in range(2)]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.kill()


def order(server: Server, key: str, **headers: str) -> Answer:
    """Place the order under `key`. Raises OSError or HTTPException when no answer comes."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        own = {"Content-Type": "application/json", "Idempotency-Key": key}
        connection.request("POST", "/order", json.dumps(ORDER), own | headers)
        answer = connection.getresponse()
        return Answer(
            answer.status, answer.headers["Idempotency-Replayed"] == "true", answer.read()
        )
    finally:
        connection.close()


def count(server: Server) -> int:
    """How many orders there are."""
    return len(server.request("GET", "/order")[1]["orders"])


@pytest.mark.deep
def test_two_hundred_at_once_make_one_order(servers: list[Server]) -> None:
    """Over two servers with four processes: one first answer, and 199 times the same again."""
    with ThreadPoolExecutor(40) as pool:
        asked = chain.from_iterable(repeat(servers, 100))
        answers = list(pool.map(lambda server: order(server, "one-key"), asked))
    assert len(answers) == 200
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert [answer.is_repeated for answer in answers].count(False) == 1
    assert [count(server) for server in servers] == [1, 1]


@pytest.mark.deep
def test_the_answer_outlives_the_process_that_gave_it(servers: list[Server]) -> None:
    """kill -9 between the first request and the second: the same answer, from other processes."""
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
def test_a_client_whose_request_died_gets_its_order_by_trying_again(servers: list[Server]) -> None:
    """Killed after the order was stored and before it was answered: put off, then answered."""
    first, second = servers
    first.request("PUT", "/fault/inventory", {"mode": "slow", "delay_s": 60})
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(order, first, "one-key", Prefer="wait=4")
        wait_for("the order is stored", lambda: count(second) == 1)
        first.kill()
        with pytest.raises((OSError, HTTPException)):
            lost.result()
    assert order(second, "one-key").status == 409
    answers: list[Answer] = []

    def is_answered() -> bool:
        answers.append(order(second, "one-key"))
        return answers[-1].status != 409

    wait_for("the first request counts as ended", is_answered)
    assert (answers[-1].status, answers[-1].is_repeated) == (201, True)
    assert json.loads(answers[-1].body)["number"] == 1001
    assert count(second) == 1
