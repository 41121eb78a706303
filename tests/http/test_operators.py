"""The API of operators: failures, replay, discard, fault switches."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from tests.over_http import body, place, read


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


@pytest.fixture
def failed(
    client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
) -> dict[str, Any]:
    """Order 1001, whose billing failed; 1002 has no failure."""
    client.put("/fault/billing", json={"mode": "reject", "order": None, "times": 1})
    order = place(client, tea=1)
    settled()
    place(client, tea=1)
    settled()
    return order


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 1),
        ("handler=billing", 1),
        ("handler=notification", 0),
        ("type=order.placed", 1),
        ("type=order.deleted", 0),
        ("order=1001", 1),
        ("order=1002", 0),
        ("order=9999", 0),
        ("order=1001&handler=billing&type=order.placed", 1),
    ],
)
def test_failures_are_listed(
    client: FlaskClient, failed: dict[str, Any], query: str, found: int
) -> None:
    """They are filtered by handler, type and order; an order is named by id or number."""
    listed = read(client, f"/failure?{query}")["failures"]
    assert len(listed) == found
    assert all(failure["event"]["subject"] == failed["order_id"] for failure in listed)
    assert len(read(client, f"/failure?order={failed['order_id']}")["failures"]) == 1


def test_a_dry_run_lists_the_steps_and_changes_nothing(
    client: FlaskClient, failed: dict[str, Any]
) -> None:
    """It lists what a replay of the selected failures would do."""
    before = read(client, "/failure")
    response = client.post("/failure/replay", json={"order": "1001", "dry_run": True})
    assert response.status_code == 200
    assert [(step["what"], step["handler"]) for step in body(response)["plan"]] == [
        ("run", "billing")
    ]
    assert read(client, "/failure") == before


def test_a_replay_removes_the_failure(
    client: FlaskClient, failed: dict[str, Any], settled: Callable[[], None]
) -> None:
    """202 has the number of started deliveries; afterwards a second replay finds none."""
    response = client.post("/failure/replay", json={"all": True})
    assert (response.status_code, body(response)) == (202, {"replayed": 1})
    settled()
    assert read(client, "/failure")["failures"] == []
    assert body(client.post("/failure/replay", json={"all": True})) == {"replayed": 0}


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        ({"since": "2020-01-01"}, 1),
        ({"since": "9999-12-31T00:00:00Z"}, 0),
        ({"error": "FAULT SWITCH"}, 1),
        ({"error": "disk"}, 0),
        ({"handler": "billing", "order": "1002"}, 0),
    ],
)
def test_a_replay_is_selected_by_time_and_error(
    client: FlaskClient, failed: dict[str, Any], selection: dict[str, str], count: int
) -> None:
    """Time, a part of the error, and both together select failures."""
    assert body(client.post("/failure/replay", json=selection)) == {"replayed": count}


def test_a_discarded_failure_stays_in_the_timeline(
    client: FlaskClient, failed: dict[str, Any]
) -> None:
    """It leaves the failures; the order's timeline has the reason."""
    (failure,) = read(client, "/failure")["failures"]
    path = f"/failure/{failure['id']}/discard"
    response = client.post(path, json={"reason": "paid in cash"})
    assert body(response) == {"id": failure["id"], "discarded": True}
    (placed, *_) = read(client, "/order/1001/events")["events"]
    delivery = placed["deliveries"]["billing"]
    assert (delivery["state"], delivery["log"][-1]["reason"]) == ("discarded", "paid in cash")
    assert client.post(path, json={"reason": "again"}).status_code == 404


def test_a_fault_switch_is_set_read_and_cleared(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """The order may be named by its number; the switch stores its id."""
    order = place(client, tea=1)
    switch = body(client.put("/fault/billing", json={"mode": "slow", "order": "1001"}))
    assert switch == {
        "handler": "billing",
        "mode": "slow",
        "times": None,
        "delay_s": 1,
        "order": order["order_id"],
    }
    assert read(client, "/fault") == {"faults": [switch]}
    assert body(client.delete("/fault/billing")) == {"handler": "billing", "cleared": True}
    assert client.delete("/fault/billing").status_code == 404


def test_a_fault_switch_of_an_unknown_handler_is_refused(client: FlaskClient) -> None:
    """404 lists the handlers."""
    response = client.put("/fault/kitchen", json={"mode": "fail"})
    assert response.status_code == 404
    assert "billing, inventory, notification, orders" in body(response)["detail"]


def test_fault_switches_are_off_unless_allowed(config: Config) -> None:
    """Without DAYBOOK_FAULTS=on each of the three operations is 403."""
    app: Flask = create_app(replace(config, faults=False))
    client = app.test_client()
    statuses = {
        client.get("/fault").status_code,
        client.put("/fault/billing", json={"mode": "fail"}).status_code,
        client.delete("/fault/billing").status_code,
    }
    app.extensions["daybook"].close()
    assert statuses == {403}
