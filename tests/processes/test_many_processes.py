"""Several servers with several workers each, all on one data folder."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.processes.clients import Load
from tests.processes.conftest import Serve
from tests.processes.reconciliation import FIRST_NUMBER, documents_in, open_store
from tests.processes.servers import leader_of, wait_for

pytestmark = pytest.mark.deep

CLIENTS = 4
ORDERS_OF_CLIENT = 250


def test_two_servers_number_and_deliver_every_order_once(data: Path, serve: Serve) -> None:
    """With four workers and four clients, numbers have no gap or repeat, and all is delivered."""
    servers = [serve(), serve()]
    with Load(servers, CLIENTS, ORDERS_OF_CLIENT) as load:
        pass
    assert load.refused == []
    acknowledged = sorted(order["number"] for order in load.acknowledged)
    assert acknowledged == list(range(FIRST_NUMBER, FIRST_NUMBER + CLIENTS * ORDERS_OF_CLIENT))
    with open_store(data) as store:
        wait_for("everything is delivered", lambda: store.open_events() == 0)
        store.check_all(CLIENTS * ORDERS_OF_CLIENT)
        assert {path.name for path in (data / "mail/new").iterdir()} == {
            f"{event_id}.notification" for event_id in store.mailed_events()
        }


def test_another_process_leads_when_the_leader_is_killed(data: Path, serve: Serve) -> None:
    """After a kill -9 during deliveries, none is lost and none has an effect twice."""
    servers = [serve(), serve()]
    with Load(servers, CLIENTS, ORDERS_OF_CLIENT) as load:
        wait_for("the load is under way", lambda: len(load.acknowledged) > ORDERS_OF_CLIENT)
        wait_for("a process leads", lambda: leader_of(data))
        leader = leader_of(data)
        os.kill(leader or 0, signal.SIGKILL)
        wait_for("another process leads", lambda: leader_of(data) not in (None, leader))
    assert load.refused == []
    with open_store(data) as store:
        wait_for("everything is delivered", lambda: store.open_events() == 0)
        store.check_all(CLIENTS * ORDERS_OF_CLIENT)


def test_a_worker_killed_under_load_loses_nothing(data: Path, serve: Serve) -> None:
    """Its clients repeat their orders with the same key, and the other worker goes on serving."""
    server = serve()
    with Load([server], CLIENTS, ORDERS_OF_CLIENT) as load:
        for _ in range(2):
            until = len(load.acknowledged) + ORDERS_OF_CLIENT // 2
            wait_for("the load is under way", partial(load.has_placed, until))
            os.kill(min(server.workers()), signal.SIGKILL)
    assert load.refused == []
    with open_store(data) as store:
        wait_for("everything is delivered", lambda: store.open_events() == 0)
        store.check_all(CLIENTS * ORDERS_OF_CLIENT)


def test_orders_json_is_always_valid(data: Path, serve: Serve) -> None:
    """It parses at each read during the load, and is complete soon after the load has ended."""
    servers = [serve(), serve()]
    orders_json = data / "orders.json"
    lengths = set()
    with Load(servers, CLIENTS, ORDERS_OF_CLIENT) as load:
        while not load.is_over:
            lengths.add(len(documents_in(orders_json)))
    placed = CLIENTS * ORDERS_OF_CLIENT
    wait_for("orders.json is complete", lambda: len(documents_in(orders_json)) == placed)
    assert max(lengths) <= placed
    numbers = sorted(order["number"] for order in documents_in(orders_json))
    assert numbers == sorted(order["number"] for order in load.acknowledged)
