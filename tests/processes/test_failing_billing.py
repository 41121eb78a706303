"""The failure path of a delivery: retry → failure.json → replay."""

from functools import partial
from pathlib import Path

import pytest

from app.store import Document
from tests.processes.clients import ORDER
from tests.processes.conftest import Serve
from tests.processes.reconciliation import documents_in, open_store
from tests.processes.servers import wait_for

pytestmark = pytest.mark.deep


def test_orders_whose_billing_fails_are_billed_once_by_a_replay(data: Path, serve: Serve) -> None:
    """Three orders make three entries, all for billing, and a replay empties failure.json."""
    server = serve(FAULTS="on")
    assert server.request("PUT", "/fault/billing", {"mode": "fail"})[0] == 200
    orders = [server.request("POST", "/order", ORDER)[1] for _ in range(3)]

    failure_json = data / "failure.json"
    wait_for("three entries in failure.json", lambda: len(documents_in(failure_json)) == 3)
    entries = documents_in(failure_json)
    assert {entry["event"]["subject"] for entry in entries} == {each["order_id"] for each in orders}
    assert {(entry["handler"], entry["error"]) for entry in entries} == {
        ("billing", "FaultInjected: a fault switch is on for billing (fail)")
    }

    def is_billing_alone_dead(order: Document) -> bool:
        _, timeline = server.request("GET", f"/order/{order['number']}/events")
        deliveries = timeline["events"][0]["deliveries"]
        states = {handler: delivery["state"] for handler, delivery in deliveries.items()}
        return states == {"inventory": "done", "billing": "dead", "notification": "done"}

    for order in orders:
        wait_for("the others are done", partial(is_billing_alone_dead, order))

    assert server.request("DELETE", "/fault/billing")[0] == 200
    assert server.request("POST", "/failure/replay", {"all": True}) == (202, {"replayed": 3})
    wait_for("failure.json is empty", lambda: documents_in(failure_json) == [])
    assert server.request("POST", "/failure/replay", {"all": True}) == (202, {"replayed": 0})
    with open_store(data) as store:
        wait_for("everything is delivered", lambda: not store.open_events())
        store.check_all(3)
