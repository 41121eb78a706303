"""The story of one order, from the POST to the replay of what went wrong. Read it as a tutorial.

A clerk places an order. It is stored in one transaction with its event. After the response, the
dispatcher delivers the event to three handlers. Billing fails: it is retried, then its delivery is
recorded in data/failure.json. An operator repairs billing and replays the failure. No event is
lost, and no handler that had succeeded runs again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Config
from app.server.runtime import Runtime
from tests.over_http import body, read

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """Fault switches are off unless DAYBOOK_FAULTS=on; this story needs them."""
    return replace(config, faults=True, retry_attempts=3)


@pytest.mark.usefixtures("catalogue")
def test_an_order_is_billed_by_a_replay_after_billing_failed(
    app: Flask, client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Place → stored → events → handlers → billing fails → retries → failure.json → replay."""
    # A fault switch makes billing fail, as a defect would.
    assert client.put("/fault/billing", json={"mode": "fail"}).status_code == 200

    # A clerk places an order. The status 201 means that the order and its event are on disk, in one
    # record of the journal. Neither kill -9 nor a power cut can lose them now.
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

    # The response is sent before any handler runs, so the order is still `placed`.
    assert order["status"] == "placed"

    # The dispatcher then delivers `order.placed` to each of its handlers. The deliveries are
    # independent: the failure of billing delays neither the stock nor the mail.
    settled()
    placed, reserved = read(client, "/order/1001/events")["events"]
    assert placed["event"]["type"] == "order.placed"
    assert state_of(placed) == {"inventory": "done", "billing": "dead", "notification": "done"}

    # Inventory reserved the stock and emitted `inventory.reserved`, which three handlers received.
    # Notification skipped it, because the customer had just been sent a mail.
    assert reserved["event"]["type"] == "inventory.reserved"
    assert state_of(reserved) == {"orders": "done", "shipping": "done", "notification": "done"}
    assert reserved["deliveries"]["notification"]["note"].startswith("no mail")
    assert read(client, "/order/1001")["status"] == "confirmed"
    assert read(client, "/product/mug")["reserved"] == 1

    # Notification sent the customer one mail.
    [mail] = (config.data / "mail/new").iterdir()
    assert "To: ann@example.com" in mail.read_text("utf-8")

    # Billing failed three times, then its delivery was dead. The log has each failed attempt.
    billing = placed["deliveries"]["billing"]
    assert billing["attempts"] == 3
    assert [line["action"] for line in billing["log"]] == ["failed", "failed", "failed"]

    # The dead delivery is in failure.json, with the reason, for an operator.
    [failure] = read(client, "/failure")["failures"]
    assert failure["handler"] == "billing"
    assert failure["error"] == "FaultInjected: a fault switch is on for billing (fail)"
    assert failure["event"]["id"] == placed["id"]

    # The customer changes the order meanwhile. Other handlers get `order.updated` at once. For
    # billing it waits behind the dead delivery, so that billing receives the events in order.
    patch = {"items": [{"product": "tea", "quantity": 4}]}
    assert client.patch("/order/1001", json=patch).status_code == 200
    settled()
    changed = read(client, "/order/1001/events")["events"][2]
    assert changed["event"]["type"] == "order.updated"
    others = {"inventory": "done", "shipping": "done", "notification": "done"}
    assert state_of(changed) == others | {"billing": "waiting"}
    assert changed["deliveries"]["billing"]["waiting_for"] == placed["id"]

    # Billing works again. First the operator asks what a replay would do …
    assert client.delete("/fault/billing").status_code == 200
    plan = body(client.post("/failure/replay", json={"all": True, "dry_run": True}))["plan"]
    assert [(step["what"], step["handler"]) for step in plan] == [("run", "billing")]

    # … then replays. Only the (event, handler) pair that failed runs again.
    assert body(client.post("/failure/replay", json={"all": True})) == {"replayed": 1}
    settled()
    timeline = read(client, "/order/1001/events")["events"]
    assert {state for record in timeline for state in state_of(record).values()} == {"done"}
    assert timeline[0]["deliveries"]["billing"]["log"][-1]["action"] == "replayed"

    # failure.json is empty. There is one invoice, and it matches the order as it is now: a handler
    # reconciles its documents with the order, so late or repeated events do no harm.
    assert read(client, "/failure")["failures"] == []
    [invoice] = invoices_of(app)
    assert (invoice["order_number"], invoice["total_amount"]) == (1001, "18.00")

    # Three mails were sent: order placed, order changed, payment received. The order was paid once.
    assert len(list((config.data / "mail/new").iterdir())) == 3
    assert read(client, "/order/1001")["payment_status"] == "paid"

    # A second replay has nothing to do.
    assert body(client.post("/failure/replay", json={"all": True})) == {"replayed": 0}


def state_of(record: dict[str, Any]) -> dict[str, str]:
    """The state of each delivery of an event."""
    return {handler: delivery["state"] for handler, delivery in record["deliveries"].items()}


def invoices_of(app: Flask) -> list[dict[str, Any]]:
    """All stored invoices."""
    runtime: Runtime = app.extensions["daybook"]
    with runtime.store.read() as view:
        found = (view.get("invoices", key) for key in view.keys("invoices"))
        return [invoice for invoice in found if invoice]
