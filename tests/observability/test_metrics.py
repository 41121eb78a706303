"""/metrics: counted and stored values, and a cost that does not grow with the orders."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.auth.keys import create_key
from app.config import Config
from app.events.dispatch.delivery import Delivery, Partition
from app.events.dispatch.outcome import DEAD, Outcome
from app.events.registry import SideEffectHandler
from app.events.types import Envelope
from app.kernel.clock import ago, now
from app.kernel.release import VERSION
from app.observability.metrics import Metrics
from app.observability.store_metrics import StoreMetrics
from app.orders.service import OrderPolicy, place_order
from app.server.runtime import Runtime
from tests.observability.conftest import ReadMetrics
from tests.over_http import place, request_for
from tests.processes.servers import wait_for
from tests.transactions import transaction

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


def request_series(suffix: str, route: str, method: str, status: int) -> str:
    labels = f'method="{method}",route="{route}",status="{status}"'
    return f"daybook_http_request_duration_seconds_{suffix}{{{labels}}}"


def test_a_delivery_to_a_handler_of_another_version_is_counted() -> None:
    """A delivery to a handler that no longer exists is dead, and counting it does not fail."""
    metrics = Metrics(("billing",), "EUR")
    event = Envelope("e", "/orders", "order.placed", now(), "o", {})
    unknown = Delivery(
        Partition("o", "gone"), event, SideEffectHandler("gone", lambda _event: None), 1
    )
    metrics.record_attempt(unknown, Outcome(DEAD))
    (counted,) = (
        sample.value
        for metric in metrics.collect()
        for sample in metric.samples
        if sample.labels == {"handler": "gone", "outcome": DEAD}
    )
    assert counted == 1


@pytest.mark.usefixtures("catalogue")
def test_requests_are_counted_by_route_method_and_status(
    client: FlaskClient, read_metrics: ReadMetrics
) -> None:
    """Series are labelled by route template, so their number stays small."""
    place(client, tea=1)
    client.get("/order/1001")
    client.get("/order/4711")
    client.get("/order/4712")
    found = read_metrics()
    assert found[request_series("count", "/order", "POST", 201)] == 1
    assert found[request_series("count", "/order/<order_id>", "GET", 200)] == 1
    assert found[request_series("count", "/order/<order_id>", "GET", 404)] == 2
    assert 0 < found[request_series("sum", "/order", "POST", 201)] < 60


def test_unknown_addresses_and_methods_create_no_series(
    client: FlaskClient, read_metrics: ReadMetrics
) -> None:
    """Otherwise a client could fill the memory with made-up addresses or methods."""
    before = read_metrics()
    for n in range(50):
        assert client.get(f"/nowhere/{n}").status_code == 404
        assert client.open("/order", method=f"MAKE{n}").status_code == 405
    grown = [name for name in read_metrics().keys() - before.keys() if "_count{" in name]
    assert sorted(grown) == [
        request_series("count", "/metrics", "GET", 200),
        request_series("count", "none", "GET", 404),
        request_series("count", "none", "other", 405),
    ]


@pytest.mark.usefixtures("catalogue")
def test_refused_requests_are_counted(client: FlaskClient, read_metrics: ReadMetrics) -> None:
    """A request for a wrong host is refused before its route runs, and counted."""
    client.get("/order", headers={"Host": "evil.example"})
    assert read_metrics()[request_series("count", "/order", "GET", 421)] == 1


@pytest.mark.usefixtures("catalogue")
def test_orders_and_products_are_counted_by_status(
    client: FlaskClient, settled: Settled, read_metrics: ReadMetrics
) -> None:
    place(client, tea=1)
    place(client, pot=2)
    settled()
    found = read_metrics()
    assert found['daybook_orders{status="confirmed"}'] == 1
    assert found['daybook_orders{status="backordered"}'] == 1
    assert found['daybook_orders{status="failed"}'] == 0
    assert found['daybook_products{stock_status="out_of_stock"}'] == 1


@pytest.mark.usefixtures("catalogue")
def test_captured_and_refunded_money_is_counted(
    client: FlaskClient, settled: Settled, read_metrics: ReadMetrics
) -> None:
    """Each capture and each refund counts once, however often its event is delivered."""
    captured, refunded = (
        f'daybook_payments_amount_total{{currency="EUR",kind="{kind}"}}'
        for kind in ("captured", "refunded")
    )
    assert (read_metrics()[captured], read_metrics()[refunded]) == (0, 0)
    place(client, tea=3)
    settled()
    client.patch("/order/1001", json=request_for(tea=1))
    wait_for("the refund is counted", lambda: read_metrics()[refunded] == 9)
    change = request_for(tea=2) | {"payment_method": "decline"}
    client.patch("/order/1001", json=change)
    settled()
    client.patch("/order/1001", json=request_for(tea=1))  # the event repeats the earlier payment
    settled()
    place(client, mug=1)
    wait_for("the next one is counted", lambda: read_metrics()[captured] > 13.5)
    assert (read_metrics()[captured], read_metrics()[refunded]) == (25.5, 9)


@pytest.mark.usefixtures("catalogue")
def test_deliveries_and_failures_are_counted_by_handler(
    client: FlaskClient, settled: Settled, read_metrics: ReadMetrics
) -> None:
    """Retried, dead and done deliveries, and the entries of failure.json."""
    dead = 'daybook_deliveries_total{handler="billing",outcome="dead"}'
    assert read_metrics()[dead] == 0
    client.put("/fault/billing", json={"mode": "fail"})
    place(client, tea=1)
    settled()
    wait_for("the delivery is dead", lambda: read_metrics()[dead] == 1)
    found = read_metrics()
    assert found['daybook_deliveries_total{handler="billing",outcome="retry"}'] == 4
    assert found['daybook_deliveries_total{handler="inventory",outcome="done"}'] == 1
    assert found['daybook_delivery_delay_seconds_count{handler="inventory"}'] == 1
    assert found['daybook_failures_waiting{handler="billing"}'] == 1
    assert found["daybook_outbox_events"] == 1
    assert 0 <= found["daybook_outbox_oldest_age_seconds"] < 60


@pytest.mark.usefixtures("catalogue")
def test_the_disk_and_the_journal_are_measured(
    client: FlaskClient,
    runtime: Runtime,
    settled: Callable[[], None],
    read_metrics: ReadMetrics,
) -> None:
    """Transactions in a batch, the time of a sync and of a checkpoint, and free space."""
    place(client, tea=1)
    settled()
    runtime.checkpoint()
    found = read_metrics()
    assert found["daybook_commit_batch_transactions_count"] >= 1
    assert found["daybook_journal_sync_duration_seconds_count"] >= 1
    assert found["daybook_checkpoint_duration_seconds_count"] >= 1
    assert found["daybook_checkpoint_failures_total"] == 0
    assert 0 < found["daybook_disk_free_bytes"] <= found["daybook_disk_size_bytes"]
    assert found["daybook_leader"] == 1
    assert found[f'daybook_build_info{{version="{VERSION}"}}'] == 1


def test_open_streams_are_counted(client: FlaskClient, read_metrics: ReadMetrics) -> None:
    assert read_metrics()["daybook_live_streams"] == 0
    stream = client.get("/live?on=products")
    assert read_metrics()["daybook_live_streams"] == 1
    stream.close()
    assert read_metrics()["daybook_live_streams"] == 0


def test_metrics_need_a_role_once_there_are_keys(client: FlaskClient, runtime: Runtime) -> None:
    """Without keys, this machine may read them; else the roles operator and metrics."""
    assert client.get("/metrics").status_code == 200
    with transaction(runtime.store) as tx:
        keys = {role: create_key(tx, role, role) for role in ("manager", "metrics", "operator")}
    assert client.get("/metrics").status_code == 401
    for role, status in (("manager", 403), ("metrics", 200), ("operator", 200)):
        headers = {"Authorization": f"Bearer {keys[role]}"}
        assert client.get("/metrics", headers=headers).status_code == status
    headers = {"Authorization": f"Bearer {keys['metrics']}"}
    for path in ("/order", "/product", "/failure", "/live?on=products"):
        assert client.get(path, headers=headers).status_code == 403


@pytest.mark.usefixtures("catalogue")
def test_the_cost_of_a_scrape_does_not_grow_with_the_orders(
    runtime: Runtime, config: Config
) -> None:
    """Measured in function calls: 2,000 orders take at most 1.5 times as many as 20 do."""
    store_metrics = StoreMetrics(runtime.store, frozenset({"billing"}), config.data)
    few = _calls_for(store_metrics, runtime, config, orders=20)
    many = _calls_for(store_metrics, runtime, config, orders=2_000)
    assert many < 1.5 * few


def _calls_for(
    store_metrics: StoreMetrics, runtime: Runtime, config: Config, *, orders: int
) -> int:
    with transaction(runtime.store) as tx:
        for _ in range(orders):
            place_order(tx, OrderPolicy(config.currency), request_for(tea=1), order_date=ago(0))
    calls = 0

    def count(_frame: FrameType, _event: str, _argument: Any) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        list(store_metrics.collect())
    finally:
        sys.setprofile(None)
    return calls
