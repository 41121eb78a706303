"""kill -9 of a server and its workers under load."""

from pathlib import Path
from random import Random

import pytest

from tests.processes.clients import Load
from tests.processes.conftest import Serve
from tests.processes.reconciliation import FIRST_NUMBER, open_store
from tests.processes.servers import wait_for

pytestmark = pytest.mark.deep

CLIENTS = 4
ORDERS_OF_CLIENT = 250


def test_no_acknowledged_order_is_lost_when_all_processes_are_killed(
    data: Path, serve: Serve
) -> None:
    """After the restart every acknowledged order is stored, and its events are delivered."""
    server = serve()
    with Load([server], CLIENTS, 20 * ORDERS_OF_CLIENT, insist=False) as load:
        wait_for("the load is under way", lambda: len(load.acknowledged) > 2 * ORDERS_OF_CLIENT)
        server.kill()
    assert load.refused == []
    assert len(load.acknowledged) < CLIENTS * 20 * ORDERS_OF_CLIENT, (
        "the load had ended before the kill"
    )

    server.start()
    with open_store(data) as store:
        stored = store.numbers()
        assert stored == list(range(FIRST_NUMBER, FIRST_NUMBER + len(stored)))
        acknowledged = {order["order_id"] for order in load.acknowledged}
        assert acknowledged <= {order["order_id"] for order in store.orders()}
        # at most the order that each client was waiting for was stored without an answer
        assert len(stored) - len(acknowledged) <= CLIENTS
        wait_for("everything is delivered", lambda: store.open_events() == 0)
        store.check_all(len(stored))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_repeated_kills_neither_lose_nor_repeat_an_order(
    data: Path, serve: Serve, seed: int
) -> None:
    """Clients that repeat unanswered requests with the same key place each order once."""
    random = Random(seed)
    servers = [serve(WORKERS="1") for _ in range(3)]
    with Load(servers, CLIENTS, ORDERS_OF_CLIENT) as load:
        while not load.is_over:
            killed = random.choice(servers)
            killed.kill()
            killed.start()
    assert load.refused == []
    assert len(load.acknowledged) == CLIENTS * ORDERS_OF_CLIENT
    with open_store(data) as store:
        wait_for("everything is delivered", lambda: store.open_events() == 0)
        store.check_all(CLIENTS * ORDERS_OF_CLIENT)
        assert {path.name for path in (data / "mail/new").iterdir()} == {
            f"{event_id}.notification" for event_id in store.mailed_events()
        }
