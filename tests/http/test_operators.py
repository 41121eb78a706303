"""What operators do over HTTP: failures, replay, discard, fault switches."""

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
    """Order 1001, whose bill failed; 1002 is fine."""
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
    """By handler, by type and by order; an order is named by its id or its number."""
    listed = read(client, f"/failure?{query}")["failures"]
    assert len(listed) == found
    assert all(failure["event"]["subject"] == failed["order_id"] for failure in listed)
    assert len(read(client, f"/failure?order={failed['order_id']}")["failures"]) == 1


def test_a_dry_run_tells_and_does_nothing(client: FlaskClient, failed: dict[str, Any]) -> None:
    """What a replay of the selected failures would do; here selected by the order's number."""
    before = read(client, "/failure")
    answer = client.post("/failure/replay", json={"order": "1001", "dry_run": True})
    assert answer.status_code == 200
    assert [(step["what"], step["handler"]) for step in body(answer)["plan"]] == [
        ("run", "billing")
    ]
    assert read(client, "/failure") == before


def test_a_replay_makes_good_what_failed(
    client: FlaskClient, failed: dict[str, Any], settled: Callable[[], None]
) -> None:
    """202 with how many were set going; then the entry is gone, and a second replay finds none."""
    answer = client.post("/failure/replay", json={"all": True})
    assert (answer.status_code, body(answer)) == (202, {"replayed": 1})
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
def test_a_replay_takes_what_is_selected(
    client: FlaskClient, failed: dict[str, Any], selection: dict[str, str], count: int
) -> None:
    """By time, by a part of the error, and by all of it together."""
    assert body(client.post("/failure/replay", json=selection)) == {"replayed": count}


def test_a_discarded_failure_stays_in_the_timeline(
    client: FlaskClient, failed: dict[str, Any]
) -> None:
    """Gone from the failures, with the reason kept where the order's story is told."""
    (failure,) = read(client, "/failure")["failures"]
    path = f"/failure/{failure['id']}/discard"
    answer = client.post(path, json={"reason": "paid in cash"})
    assert body(answer) == {"id": failure["id"], "discarded": True}
    (placed, *_) = read(client, "/order/1001/events")["events"]
    delivery = placed["deliveries"]["billing"]
    assert (delivery["state"], delivery["log"][-1]["reason"]) == ("discarded", "paid in cash")
    assert client.post(path, json={"reason": "again"}).status_code == 404


def test_a_fault_switch_is_set_read_and_cleared(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """For one order it may be named by its number; the switch keeps the id."""
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


def test_a_fault_switch_needs_a_handler_that_there_is(client: FlaskClient) -> None:
    """404 names those there are."""
    answer = client.put("/fault/kitchen", json={"mode": "fail"})
    assert answer.status_code == 404
    assert "billing, inventory, notification, orders" in body(answer)["detail"]


def test_fault_switches_are_off_unless_allowed(config: Config) -> None:
    """403 for each of the three, in a shop without DAYBOOK_FAULTS=on."""
    app: Flask = create_app(replace(config, faults=False))
    client = app.test_client()
    statuses = {
        client.get("/fault").status_code,
        client.put("/fault/billing", json={"mode": "fail"}).status_code,
        client.delete("/fault/billing").status_code,
    }
    app.extensions["daybook"].close()
    assert statuses == {403}
