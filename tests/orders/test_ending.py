"""Cancelling keeps an order, deleting removes it; both give its stock back."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.orders.conftest import Stored
from tests.over_http import body, place, read


@pytest.fixture
def order(
    client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
) -> dict[str, Any]:
    """A confirmed order of four teas, at version 2."""
    place(client, tea=4)
    settled()
    found: dict[str, Any] = read(client, "/order/1001")
    return found


def cancel_by_patch(client: FlaskClient) -> Any:
    """The status alone, and why."""
    return client.patch("/order/1001", json={"status": "cancelled", "reason": "ordered twice"})


def cancel_by_post(client: FlaskClient) -> Any:
    """The same by its own address."""
    return client.post("/order/1001/cancel", json={"reason": "ordered twice"})


@pytest.mark.parametrize("cancel", [cancel_by_patch, cancel_by_post])
def test_a_cancelled_order_is_kept_with_the_reason(
    client: FlaskClient, order: dict[str, Any], cancel: Callable[[FlaskClient], Any]
) -> None:
    """Its lines and totals stay as they were."""
    answer = cancel(client)
    cancelled = body(answer)
    assert (answer.status_code, cancelled["status"], cancelled["version"]) == (200, "cancelled", 3)
    assert cancelled["items"] == order["items"]
    step = cancelled["history"][-1]
    assert (step["event"], step["detail"]) == ("cancelled", "ordered twice")
    assert read(client, "/order/1001") == cancelled


@pytest.mark.parametrize("cancel", [cancel_by_patch, cancel_by_post])
def test_cancelling_twice_is_cancelling_once(
    client: FlaskClient, order: dict[str, Any], cancel: Callable[[FlaskClient], Any]
) -> None:
    """200 with the same order, and one event."""
    first, second = cancel(client), cancel(client)
    assert (second.status_code, second.data) == (200, first.data)
    types = [each["event"]["type"] for each in read(client, "/order/1001/events")["events"]]
    assert types == ["order.placed", "inventory.reserved", "order.cancelled"]


@pytest.mark.parametrize("status", ["shipped", "delivered", "failed"])
def test_it_can_be_too_late_to_cancel(
    app: Flask, client: FlaskClient, order: dict[str, Any], status: str
) -> None:
    """409 tells the status, and nothing changes."""
    with app.extensions["daybook"].store.transaction() as tx:
        tx.put("orders", order | {"status": status})
    for answer in (cancel_by_patch(client), cancel_by_post(client)):
        assert (answer.status_code, body(answer)["order_status"]) == (409, status)
    assert read(client, "/order/1001")["version"] == 2


def test_a_cancelled_order_gives_its_stock_back_and_its_invoice_is_void(
    client: FlaskClient, order: dict[str, Any], settled: Callable[[], None], stored: Stored
) -> None:
    """Once the handlers are through; the invoice is kept."""
    cancel_by_post(client)
    settled()
    assert read(client, "/product/tea")["available"] == 100
    invoice = stored("invoices", order["order_id"]) or {}
    assert (invoice["status"], invoice["total_amount"]) == ("void", "18.00")


@pytest.mark.parametrize("name", ["order_id", "number"])
def test_a_deleted_order_is_gone(client: FlaskClient, order: dict[str, Any], name: str) -> None:
    """By id or by number; the answer tells the id, and the order is in no list any more."""
    answer = client.delete(f"/order/{order[name]}")
    assert (answer.status_code, body(answer)) == (
        200,
        {"order_id": order["order_id"], "deleted": True},
    )
    assert client.get(f"/order/{order['order_id']}").status_code == 404
    assert client.get("/order/1001").status_code == 404
    assert read(client, "/order")["orders"] == []


@pytest.mark.parametrize("name", ["order_id", "number"])
def test_deleting_a_second_time_finds_nothing(
    client: FlaskClient, order: dict[str, Any], name: str
) -> None:
    """404, and "deleted": false for programs."""
    client.delete(f"/order/{order[name]}")
    answer = client.delete(f"/order/{order[name]}")
    assert (answer.status_code, body(answer)["deleted"]) == (404, False)
    assert body(answer)["order_id"] == str(order[name])


def test_a_deleted_order_gives_its_stock_back_and_its_invoice_is_void(
    client: FlaskClient, order: dict[str, Any], settled: Callable[[], None], stored: Stored
) -> None:
    """As with a cancelled one; only the order itself is gone."""
    client.delete("/order/1001")
    settled()
    assert read(client, "/product/tea")["available"] == 100
    assert stored("reservations", order["order_id"]) is None
    assert (stored("invoices", order["order_id"]) or {})["status"] == "void"


def test_a_number_is_not_given_twice(client: FlaskClient, order: dict[str, Any]) -> None:
    """Also when its order was deleted."""
    client.delete("/order/1001")
    assert place(client, tea=1)["number"] == 1002


def test_the_timeline_outlives_the_order(
    client: FlaskClient, order: dict[str, Any], settled: Callable[[], None]
) -> None:
    """By the id; what was done can still be told, down to the last handler."""
    by_number = read(client, "/order/1001/events")
    assert read(client, f"/order/{order['order_id']}/events") == by_number
    client.delete("/order/1001")
    settled()
    events = read(client, f"/order/{order['order_id']}/events")["events"]
    assert [each["event"]["type"] for each in events] == [
        "order.placed",
        "inventory.reserved",
        "order.deleted",
    ]
    states = {d["state"] for each in events for d in each["deliveries"].values()}
    assert states == {"done"}
    assert all(each["event"]["subject"] == order["order_id"] for each in events)
