"""Several servers with several workers each, all on one data folder."""

import os
import signal
from functools import partial
from pathlib import Path

from tests.processes.clients import Load
from tests.processes.conftest import Serve
from tests.processes.reconciliation import FIRST_NUMBER, documents_in, opened
from tests.processes.servers import leader_of, wait_for

CLIENTS = 4


def test_two_servers_number_and_deliver_every_order_once(
    data: Path, serve: Serve, each: int
) -> None:
    """Four workers, four clients: numbers without gap or repeat, and every delivery done."""
    servers = [serve(), serve()]
    with Load(servers, CLIENTS, each) as load:
        pass
    assert load.refused == []
    acknowledged = sorted(order["number"] for order in load.acknowledged)
    assert acknowledged == list(range(FIRST_NUMBER, FIRST_NUMBER + CLIENTS * each))
    with opened(data) as books:
        wait_for("all deliveries", lambda: books.on_their_way() == 0)
        books.check_all(CLIENTS * each)
        assert {path.name for path in (data / "mail/new").iterdir()} == {
            f"{event_id}.notification" for event_id in books.mailed_events()
        }


def test_another_leads_within_a_second_when_the_leader_is_killed(
    data: Path, serve: Serve, each: int
) -> None:
    """kill -9 in the midst of the deliveries: none is lost, none is done twice."""
    servers = [serve(), serve()]
    with Load(servers, CLIENTS, each) as load:
        wait_for("the load is under way", lambda: len(load.acknowledged) > each)
        leader = leader_of(data)
        assert leader is not None
        os.kill(leader, signal.SIGKILL)
        wait_for("another leads", lambda: leader_of(data) not in (None, leader), patience_s=1)
    assert load.refused == []
    with opened(data) as books:
        wait_for("all deliveries", lambda: books.on_their_way() == 0)
        books.check_all(CLIENTS * each)


def test_a_worker_killed_under_load_loses_nothing(data: Path, serve: Serve, each: int) -> None:
    """Its clients send their orders again, by the key; the other worker never stops serving."""
    server = serve()
    with Load([server], CLIENTS, each) as load:
        for _ in range(2):
            until = len(load.acknowledged) + each // 2
            wait_for("the load is under way", partial(load.has_placed, until))
            os.kill(min(server.workers()), signal.SIGKILL)
    assert load.refused == []
    with opened(data) as books:
        wait_for("all deliveries", lambda: books.on_their_way() == 0)
        books.check_all(CLIENTS * each)


def test_orders_json_is_valid_at_every_moment(data: Path, serve: Serve, each: int) -> None:
    """Read again and again during the load; complete about a second after the load has ended."""
    servers = [serve(), serve()]
    orders_json = data / "orders.json"
    lengths = set()
    with Load(servers, CLIENTS, each) as load:
        while not load.is_over:
            lengths.add(len(documents_in(orders_json)))
    wait_for(
        "orders.json is complete",
        lambda: len(documents_in(orders_json)) == CLIENTS * each,
        patience_s=10,
    )
    assert max(lengths) <= CLIENTS * each
    numbers = sorted(order["number"] for order in documents_in(orders_json))
    assert numbers == sorted(order["number"] for order in load.acknowledged)
