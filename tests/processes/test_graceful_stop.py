"""SIGTERM: running deliveries finish and are recorded, the next start does the others."""

from pathlib import Path

from tests.processes.clients import Load
from tests.processes.conftest import Serve
from tests.processes.reconciliation import opened
from tests.processes.servers import wait_for

CLIENTS = 4


def test_a_stop_loses_no_order_and_sends_no_mail_twice(data: Path, serve: Serve, each: int) -> None:
    """Every sent mail is recorded as done, so the next start does not send it again."""
    server = serve()
    with Load([server], CLIENTS, each, insist=False) as load:
        wait_for("the load is under way", lambda: len(load.acknowledged) > 2 * each)
        assert server.stop() == 0
    with opened(data) as books:
        acknowledged = {order["order_id"] for order in load.acknowledged}
        assert acknowledged <= {order["order_id"] for order in books.orders()}
        sent = {path.name for path in (data / "mail/new").iterdir()}
        assert sent == {f"{event_id}.notification" for event_id in books.mailed_events()}

    server.start()
    with opened(data) as books:
        wait_for("everything is delivered", lambda: books.on_their_way() == 0)
        books.check_all(len(books.numbers()))
