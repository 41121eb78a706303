"""SIGTERM: running deliveries finish and are recorded, the next start does the others."""

from pathlib import Path

import pytest

from tests.processes.clients import Load
from tests.processes.conftest import Serve
from tests.processes.reconciliation import open_store
from tests.processes.servers import wait_for

pytestmark = pytest.mark.deep

CLIENTS = 4
ORDERS_OF_CLIENT = 250


def test_a_stop_loses_no_order_and_sends_no_mail_twice(data: Path, serve: Serve) -> None:
    """Every sent mail is recorded as done, so the next start does not send it again."""
    server = serve()
    with Load([server], CLIENTS, ORDERS_OF_CLIENT, insist=False) as load:
        wait_for("the load is under way", lambda: len(load.acknowledged) > 2 * ORDERS_OF_CLIENT)
        assert server.stop() == 0
    with open_store(data) as store:
        acknowledged = {order["order_id"] for order in load.acknowledged}
        assert acknowledged <= {order["order_id"] for order in store.orders()}
        sent = {path.name for path in (data / "mail/new").iterdir()}
        assert sent == {f"{event_id}.notification" for event_id in store.mailed_events()}

    server.start()
    with open_store(data) as store:
        wait_for("everything is delivered", lambda: store.open_events() == 0)
        store.check_all(len(store.numbers()))
