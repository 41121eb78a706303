"""kill -9 of everything, in the midst of it."""

from pathlib import Path

from tests.processes.books import FIRST_NUMBER, opened
from tests.processes.clients import Load
from tests.processes.conftest import Serve
from tests.processes.servers import wait_for

CLIENTS = 4


def test_no_acknowledged_order_is_lost_when_all_processes_are_killed(
    data: Path, serve: Serve, each: int
) -> None:
    """After the restart all that was promised is there, and is delivered to the end."""
    server = serve()
    with Load([server], CLIENTS, each, insist=False) as load:
        wait_for("the load is under way", lambda: len(load.acknowledged) > 2 * each)
        server.kill()
    assert load.refused == []
    assert len(load.acknowledged) < CLIENTS * each, "the load had ended before the kill"

    server.start()
    with opened(data) as books:
        stored = books.numbers()
        assert stored == list(range(FIRST_NUMBER, FIRST_NUMBER + len(stored)))
        acknowledged = {order["order_id"] for order in load.acknowledged}
        assert acknowledged <= {order["order_id"] for order in books.orders()}
        # at most the order that each client was waiting for was stored without an answer
        assert len(stored) - len(acknowledged) <= CLIENTS
        wait_for("all deliveries", lambda: books.on_their_way() == 0)
        books.check_all(len(stored))
