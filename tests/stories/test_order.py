"""The story of one order, from the POST to the replay of what went wrong. Read it as a tutorial.

A clerk places an order. It is stored together with its event. After the answer, the dispatcher
brings the event to three handlers. Today billing is out of order: it is tried a few times, then its
delivery is parked in data/failure.json. An operator mends billing and replays; nothing is lost,
and nothing is done twice.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.server.runtime import Runtime
from tests.over_http import body, read

Settled = Callable[[], None]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Fault switches are off unless DAYBOOK_FAULTS=on; this story needs them."""
    return Config(data=tmp_path / "data", faults=True, retry_attempts=3, retry_wait=0.001)


@pytest.mark.usefixtures("catalogue")
def test_an_order_is_billed_in_the_end_though_billing_failed(
    app: Flask, client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Place → stored → events → handlers → billing fails → retries → failure.json → replay."""
    # Somebody breaks billing. (A fault switch makes it fail, as a bug or an outage would.)
    assert client.put("/fault/billing", json={"mode": "fail"}).status_code == 200

    # A clerk places an order. 201 means: the order and its event are on disk, in one record of the
    # journal. From here on neither kill -9 nor a power cut can lose them.
    answer = client.post(
        "/order",
        json={
            "customer_name": "Ann",
            "customer_email": "ann@example.com",
            "items": [{"product": "tea", "quantity": 2}, {"product": "mug", "quantity": 1}],
        },
    )
    assert answer.status_code == 201
    order = body(answer)
    assert (order["number"], order["total_amount"]) == (1001, "21.00")

    # Nobody has handled the event when the answer is given. The status says so: placed.
    assert order["status"] == "placed"

    # A moment later the dispatcher has brought `order.placed` to each handler that has to know.
    # Each delivery stands alone: billing's failure held up neither stock nor mail.
    settled()
    placed, reserved = read(client, "/order/1001/events")["events"]
    assert placed["event"]["type"] == "order.placed"
    assert state_of(placed) == {"inventory": "done", "billing": "dead", "notification": "done"}

    # Inventory reserved the goods, and said so by an event. Orders and shipping heard it; so did
    # notification, which did not write again to a customer to whom it has just written.
    assert reserved["event"]["type"] == "inventory.reserved"
    assert state_of(reserved) == {"orders": "done", "shipping": "done", "notification": "done"}
    assert reserved["deliveries"]["notification"]["note"].startswith("no mail")
    assert read(client, "/order/1001")["status"] == "confirmed"
    assert read(client, "/product/mug")["reserved"] == 1

    # Notification wrote to the customer.
    [mail] = (config.data / "mail/new").iterdir()
    assert "To: ann@example.com" in mail.read_text("utf-8")

    # Billing was tried three times before it was given up; its log has each failed attempt.
    billing = placed["deliveries"]["billing"]
    assert billing["attempts"] == 3
    assert [line["action"] for line in billing["log"]] == ["failed", "failed", "failed"]

    # What failed for good is kept for a person to look at, with the reason.
    [failure] = read(client, "/failure")["failures"]
    assert failure["handler"] == "billing"
    assert failure["error"] == "FaultInjected: a fault switch is on for billing (fail)"
    assert failure["event"]["id"] == placed["id"]

    # The customer changes the order meanwhile. Stock and mail follow at once, but for billing this
    # event has to wait behind the one that failed: it must not see them in the wrong order.
    patch = {"items": [{"product": "tea", "quantity": 4}]}
    assert client.patch("/order/1001", json=patch).status_code == 200
    settled()
    changed = read(client, "/order/1001/events")["events"][2]
    assert changed["event"]["type"] == "order.updated"
    others = {"inventory": "done", "shipping": "done", "notification": "done"}
    assert state_of(changed) == others | {"billing": "waiting"}
    assert changed["deliveries"]["billing"]["waiting_for"] == placed["id"]

    # Billing is mended. First the operator asks what a replay would do …
    assert client.delete("/fault/billing").status_code == 200
    plan = body(client.post("/failure/replay", json={"all": True, "dry_run": True}))["plan"]
    assert [(step["what"], step["handler"]) for step in plan] == [("run", "billing")]

    # … then replays. Only the (event, handler) pair that failed runs again.
    assert body(client.post("/failure/replay", json={"all": True})) == {"replayed": 1}
    settled()
    timeline = read(client, "/order/1001/events")["events"]
    assert {state for record in timeline for state in state_of(record).values()} == {"done"}
    assert timeline[0]["deliveries"]["billing"]["log"][-1]["action"] == "replayed"

    # failure.json is empty. There is one invoice, and it says what the order says now: a handler
    # brings its documents to what is true, so events that come late or twice do no harm.
    assert read(client, "/failure")["failures"] == []
    [invoice] = invoices_of(app)
    assert (invoice["order_number"], invoice["total_amount"]) == (1001, "18.00")

    # Three mails went out, one for each thing that happened: placed, changed, paid. What the replay
    # made good was paid for once, and the order says so.
    assert len(list((config.data / "mail/new").iterdir())) == 3
    assert read(client, "/order/1001")["payment_status"] == "paid"

    # And a second replay finds nothing to do.
    assert body(client.post("/failure/replay", json={"all": True})) == {"replayed": 0}


@pytest.mark.usefixtures("catalogue")
def test_the_story_is_in_files_that_a_person_can_read(
    app: Flask, client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Stop the service, open data/ with an editor or jq, start it again: it is all there."""
    client.put("/fault/billing", json={"mode": "reject"})
    client.post(
        "/order", json={"customer_name": "Ann", "items": [{"product": "tea", "quantity": 2}]}
    )
    settled()
    app.extensions["daybook"].close()

    # Each document is one line of a JSON array.
    [order] = json.loads((config.data / "orders.json").read_text("utf-8"))
    assert (order["number"], order["status"]) == (1001, "confirmed")
    [failure] = json.loads((config.data / "failure.json").read_text("utf-8"))
    assert (failure["handler"], failure["event"]["subject"]) == ("billing", order["order_id"])

    # A new process goes on where the old one stopped: with the order, and with the failure.
    again = create_app(config)
    try:
        assert read(again.test_client(), "/order/1001")["order_id"] == order["order_id"]
        assert read(again.test_client(), "/failure")["failures"][0]["id"] == failure["id"]
    finally:
        again.extensions["daybook"].close()


def state_of(record: dict[str, Any]) -> dict[str, str]:
    """How far each handler is with an event."""
    return {handler: delivery["state"] for handler, delivery in record["deliveries"].items()}


def invoices_of(app: Flask) -> list[dict[str, Any]]:
    """All invoices, as billing keeps them."""
    runtime: Runtime = app.extensions["daybook"]
    with runtime.store.read() as view:
        found = (view.get("invoices", key) for key in view.keys("invoices"))
        return [invoice for invoice in found if invoice]
