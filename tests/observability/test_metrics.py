"""/metrics: what is counted, what stands in the books, and that asking stays cheap."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.auth.keys import create_key
from app.config import Config
from app.events.dispatch.outcome import DEAD, Delivery, Verdict
from app.events.dispatch.partitions import Partition
from app.events.registry import SideEffectHandler
from app.events.types import Envelope
from app.kernel.clock import ago, now
from app.observability.metrics import Metrics
from app.observability.store_metrics import StoreMetrics
from app.orders.service import Rules, place_order
from app.server.runtime import Runtime
from app.store.files.checkpointer import Checkpointer
from tests.observability.conftest import Read
from tests.over_http import place, request_for
from tests.processes.servers import wait_for

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


def request_series(what: str, route: str, method: str, status: int) -> str:
    labels = f'method="{method}",route="{route}",status="{status}"'
    return f"daybook_http_request_duration_seconds_{what}{{{labels}}}"


def test_a_delivery_to_a_handler_of_another_version_is_counted() -> None:
    """It is dead at once; counting it must not fail as well, after it was put on record."""
    metrics = Metrics(("billing",), "EUR")
    event = Envelope("e", "/orders", "order.placed", now(), "o", {})
    gone = Delivery(
        Partition("o", "gone"), event, SideEffectHandler("gone", lambda _event: None), 1
    )
    metrics.delivered(gone, Verdict(DEAD))
    (counted,) = (
        sample.value
        for metric in metrics.collect()
        for sample in metric.samples
        if sample.labels == {"handler": "gone", "outcome": DEAD}
    )
    assert counted == 1


@pytest.mark.usefixtures("catalogue")
def test_requests_are_counted_by_route_method_and_status(
    client: FlaskClient, figures: Read
) -> None:
    """By the route's template: there are few of them, and an order's number says nothing."""
    place(client, tea=1)
    client.get("/order/1001")
    client.get("/order/4711")
    client.get("/order/4712")
    found = figures()
    assert found[request_series("count", "/order", "POST", 201)] == 1
    assert found[request_series("count", "/order/<order_id>", "GET", 200)] == 1
    assert found[request_series("count", "/order/<order_id>", "GET", 404)] == 2
    assert 0 < found[request_series("sum", "/order", "POST", 201)] < 60


def test_what_others_make_up_does_not_make_series(client: FlaskClient, figures: Read) -> None:
    """An unknown address or method would else fill the memory."""
    before = figures()
    for n in range(50):
        assert client.get(f"/nowhere/{n}").status_code == 404
        assert client.open("/order", method=f"MAKE{n}").status_code == 405
    grown = [name for name in figures().keys() - before.keys() if "_count{" in name]
    assert sorted(grown) == [
        request_series("count", "/metrics", "GET", 200),
        request_series("count", "none", "GET", 404),
        request_series("count", "none", "other", 405),
    ]


@pytest.mark.usefixtures("catalogue")
def test_requests_that_are_refused_at_the_door_are_counted(
    client: FlaskClient, figures: Read
) -> None:
    """A wrong host, another site, no key: whoever watches wants to see those."""
    client.get("/order", headers={"Host": "evil.example"})
    assert figures()[request_series("count", "/order", "GET", 421)] == 1


@pytest.mark.usefixtures("catalogue")
def test_orders_and_stock_are_told_by_status(
    client: FlaskClient, settled: Settled, figures: Read
) -> None:
    place(client, tea=1)
    place(client, pot=2)
    settled()
    found = figures()
    assert found['daybook_orders{status="confirmed"}'] == 1
    assert found['daybook_orders{status="backordered"}'] == 1
    assert found['daybook_orders{status="failed"}'] == 0
    assert found['daybook_products{stock_status="out_of_stock"}'] == 1


@pytest.mark.usefixtures("catalogue")
def test_money_is_counted_when_it_moves(
    client: FlaskClient, settled: Settled, figures: Read
) -> None:
    """Each capture and each refund once, whatever is told of them how often."""
    captured, refunded = (
        f'daybook_payments_amount_total{{currency="EUR",kind="{kind}"}}'
        for kind in ("captured", "refunded")
    )
    assert (figures()[captured], figures()[refunded]) == (0, 0)
    place(client, tea=3)
    settled()
    client.patch("/order/1001", json=request_for(tea=1))
    wait_for("the refund is counted", lambda: figures()[refunded] == 9)
    change = request_for(tea=2) | {"payment_method": "decline"}
    client.patch("/order/1001", json=change)
    settled()
    client.patch("/order/1001", json=request_for(tea=1))  # told again, by the payment of before
    settled()
    place(client, mug=1)
    wait_for("the next one is counted", lambda: figures()[captured] > 13.5)
    assert (figures()[captured], figures()[refunded]) == (25.5, 9)


@pytest.mark.usefixtures("catalogue")
def test_deliveries_and_failures_are_told_by_handler(
    client: FlaskClient, settled: Settled, figures: Read
) -> None:
    """What was tried again, what was given up, and what waits for a person."""
    dead = 'daybook_deliveries_total{handler="billing",outcome="dead"}'
    assert figures()[dead] == 0
    client.put("/fault/billing", json={"mode": "fail"})
    place(client, tea=1)
    settled()
    wait_for("it is given up", lambda: figures()[dead] == 1)
    found = figures()
    assert found['daybook_deliveries_total{handler="billing",outcome="retry"}'] == 4
    assert found['daybook_deliveries_total{handler="inventory",outcome="done"}'] == 1
    assert found['daybook_delivery_delay_seconds_count{handler="inventory"}'] == 1
    assert found['daybook_failures_waiting{handler="billing"}'] == 1
    assert found["daybook_outbox_events"] == 1
    assert 0 <= found["daybook_outbox_oldest_age_seconds"] < 60


@pytest.mark.usefixtures("catalogue")
def test_the_disk_and_the_journal_are_told_of(
    client: FlaskClient, runtime: Runtime, figures: Read
) -> None:
    """How many share a line, how long a sync takes, and a checkpoint."""
    place(client, tea=1)
    Checkpointer(runtime.open()).close()
    found = figures()
    assert found["daybook_commit_batch_transactions_count"] >= 1
    assert found["daybook_journal_sync_duration_seconds_count"] >= 1
    assert found["daybook_checkpoint_duration_seconds_count"] >= 1
    assert found["daybook_checkpoint_failures_total"] == 0
    assert 0 < found["daybook_disk_free_bytes"] <= found["daybook_disk_size_bytes"]
    assert found["daybook_leader"] == 1


def test_open_streams_are_told(client: FlaskClient, figures: Read) -> None:
    assert figures()["daybook_live_streams"] == 0
    stream = client.get("/live?on=products")
    assert figures()["daybook_live_streams"] == 1
    stream.close()
    assert figures()["daybook_live_streams"] == 0


def test_who_may_read_them(client: FlaskClient, runtime: Runtime) -> None:
    """This machine where there are no keys; else an operator, or a key for just that."""
    assert client.get("/metrics").status_code == 200
    with runtime.transaction() as tx:
        keys = {role: create_key(tx, role, role) for role in ("manager", "metrics", "operator")}
    assert client.get("/metrics").status_code == 401
    for role, status in (("manager", 403), ("metrics", 200), ("operator", 200)):
        headers = {"Authorization": f"Bearer {keys[role]}"}
        assert client.get("/metrics", headers=headers).status_code == status
    headers = {"Authorization": f"Bearer {keys['metrics']}"}
    for path in ("/order", "/product", "/failure", "/live?on=products"):
        assert client.get(path, headers=headers).status_code == 403


@pytest.mark.usefixtures("catalogue")
def test_asking_costs_the_same_however_many_orders_there_are(
    runtime: Runtime, config: Config
) -> None:
    """Counted in calls of functions: from 20 orders to 2,000 there are hardly more."""
    books = StoreMetrics(runtime.store, frozenset({"billing"}), config.data)
    few = _calls_for(books, runtime, config, orders=20)
    many = _calls_for(books, runtime, config, orders=2_000)
    assert many < 1.5 * few


def _calls_for(books: StoreMetrics, runtime: Runtime, config: Config, *, orders: int) -> int:
    with runtime.transaction() as tx:
        for _ in range(orders):
            place_order(tx, Rules(config.currency), request_for(tea=1), order_date=ago(0))
    calls = 0

    def count(_frame: FrameType, _event: str, _argument: Any) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        list(books.collect())
    finally:
        sys.setprofile(None)
    return calls
