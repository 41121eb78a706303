"""The table of events, row by row: what causes each event, its source, and its handlers.

It is the contract between the services (app/events/types.py). `shipping` handles more events than
one might expect, because it withdraws a shipment whose order or stock has changed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.events.outbox import find_event
from app.events.types import EVENT_TYPES
from app.inventory import reservations
from app.inventory.service import emit_low_stock_digest
from app.privacy.customers import find_orders
from app.privacy.erasure import find_traces, forget_customer
from app.server.runtime import Runtime
from app.webhooks.service import record_result
from tests.over_http import place, read, request_for
from tests.shipping.conftest import SECRET, call_back, ship
from tests.transactions import transaction

pytestmark = pytest.mark.usefixtures("catalogue")
Settled = Callable[[], None]

ENDINGS = {"inventory", "billing", "shipping", "notification"}


@pytest.fixture
def config(config: Config) -> Config:
    """With a carrier secret, a manager who receives mails, and webhooks to this machine."""
    told = replace(config, carrier_secret=SECRET, manager_email="manager@example.com")
    return replace(told, webhook_http=True, webhook_private=True)


@pytest.fixture(autouse=True)
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the orders that wait for a product, a transaction serves one."""
    monkeypatch.setattr(reservations, "BACKORDERS_PER_TRANSACTION", 1)


def placed(client: FlaskClient) -> None:
    place(client, tea=2)


def changed(client: FlaskClient) -> None:
    client.patch("/order/1001", json={"items": request_for(tea=3)["items"]})


def made_smaller(client: FlaskClient) -> None:
    client.patch("/order/1001", json={"items": request_for(tea=1)["items"]})


def cancelled(client: FlaskClient) -> None:
    client.post("/order/1001/cancel")


def deleted(client: FlaskClient) -> None:
    client.delete("/order/1001")


def placed_for_more_than_there_is(client: FlaskClient) -> None:
    place(client, pot=2)


def repriced(client: FlaskClient) -> None:
    client.patch("/product/tea", json={"price": "5.00"})


def sold_down_to_the_threshold(client: FlaskClient) -> None:
    place(client, mug=7)


def declined(client: FlaskClient) -> None:
    client.post("/order", json=request_for(tea=1) | {"payment_method": "decline"})


def shipped(client: FlaskClient) -> None:
    assert ship(client).status_code == 200


def delivered(client: FlaskClient) -> None:
    assert call_back(client).status_code == 200


def forgotten(client: FlaskClient) -> None:
    store = client.application.extensions["daybook"].store
    orders = find_orders(store, "1001")
    traces = find_traces(store, orders)
    with transaction(store) as tx:
        forget_customer(tx, orders[0], traces, by="boss")


def refused_by_its_receiver(client: FlaskClient) -> None:
    url = "http://127.0.0.1:9/"
    answer = client.post("/webhook", json={"url": url, "types": ["order.placed"]})
    assert answer.status_code == 201, answer.text
    webhook_id = answer.get_json()["webhook_id"]
    with transaction(client.application.extensions["daybook"].store) as tx:
        record_result(tx, webhook_id, url, is_delivered=False, refusal="gone")


def counted_for_the_day(client: FlaskClient) -> None:
    with transaction(client.application.extensions["daybook"].store) as tx:
        emit_low_stock_digest(tx, "2026-11-21")


def more_wait_than_are_served_at_once(client: FlaskClient) -> None:
    for _ in range(2):
        place(client, pot=2)


def received_from_the_supplier(client: FlaskClient) -> None:
    answer = client.post("/product/pot/stock", json={"change": 9, "reason": "delivery"})
    assert answer.status_code == 200, answer.text


class Row(NamedTuple):
    """One row of the table. Each of `causes` happens after the one before has been delivered."""

    type: str
    sent_by: str
    handled_by: set[str]
    causes: tuple[Callable[[FlaskClient], None], ...]


TABLE = [
    Row("order.placed", "orders", {"inventory", "billing", "notification"}, (placed,)),
    Row("order.updated", "orders", ENDINGS, (placed, changed)),
    Row("order.cancelled", "orders", ENDINGS, (placed, cancelled)),
    Row("order.deleted", "orders", ENDINGS, (placed, deleted)),
    Row("customer.forgotten", "orders", {"privacy"}, (placed, shipped, forgotten)),
    Row("inventory.reserved", "inventory", {"orders", "shipping", "notification"}, (placed,)),
    Row(
        "inventory.backordered",
        "inventory",
        {"orders", "shipping", "notification"},
        (placed_for_more_than_there_is,),
    ),
    Row("product.updated", "inventory", set(), (repriced,)),
    Row("product.low_stock", "inventory", {"notification"}, (sold_down_to_the_threshold,)),
    Row(
        "product.low_stock_digest",
        "inventory",
        {"notification"},
        (sold_down_to_the_threshold, counted_for_the_day),
    ),
    Row(
        "inventory.stock_freed",
        "inventory",
        {"inventory"},
        (more_wait_than_are_served_at_once, received_from_the_supplier),
    ),
    Row("payment.captured", "billing", {"orders", "shipping", "notification"}, (placed,)),
    Row("payment.failed", "billing", {"orders", "notification"}, (declined,)),
    Row("payment.refunded", "billing", {"orders", "notification"}, (placed, made_smaller)),
    Row("webhook.disabled", "webhooks", {"notification"}, (refused_by_its_receiver,)),
    Row("order.fulfilled", "shipping", {"orders", "inventory", "notification"}, (placed, shipped)),
    Row(
        "order.delivered",
        "shipping",
        {"orders", "notification"},
        (placed, shipped, delivered),
    ),
]


def test_the_table_has_every_event() -> None:
    assert sorted(row.type for row in TABLE) == sorted(event.type for event in EVENT_TYPES)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.type)
def test_it_is_sent_and_handled(
    client: FlaskClient, runtime: Runtime, settled: Settled, row: Row
) -> None:
    """The event is emitted once, and each of its handlers is done."""
    for cause in row.causes:
        cause(client)
        settled()
    events = read(client, f"/event?type={row.type}")["events"]
    event = events[-1]
    assert event["source"] == f"/{row.sent_by}"
    assert len(events) == (1 if row.type != "product.updated" else 5)
    with runtime.store.read() as view:
        record = find_event(view, event["id"])
    assert record is not None
    states = {handler: each["state"] for handler, each in record["deliveries"].items()}
    assert states == dict.fromkeys(row.handled_by, "done")
