"""Cancelling keeps an order, deleting removes it; both free its stock."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.orders.conftest import Stored
from tests.over_http import body, place, read
from tests.transactions import transaction


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
    """Cancel by a patch of the status, with a reason."""
    return client.patch("/order/1001", json={"status": "cancelled", "reason": "ordered twice"})


def cancel_by_post(client: FlaskClient) -> Any:
    """Cancel by POST to the order's cancel resource."""
    return client.post("/order/1001/cancel", json={"reason": "ordered twice"})


@pytest.mark.parametrize("cancel", [cancel_by_patch, cancel_by_post])
def test_a_cancelled_order_is_kept_with_the_reason(
    client: FlaskClient, order: dict[str, Any], cancel: Callable[[FlaskClient], Any]
) -> None:
    """A cancelled order keeps its lines and totals, and its history has the reason."""
    answer = cancel(client)
    cancelled = body(answer)
    assert (answer.status_code, cancelled["status"], cancelled["version"]) == (200, "cancelled", 3)
    assert cancelled["items"] == order["items"]
    step = cancelled["history"][-1]
    assert (step["event"], step["detail"]) == ("cancelled", "ordered twice")
    assert read(client, "/order/1001") == cancelled


@pytest.mark.parametrize("cancel", [cancel_by_patch, cancel_by_post])
def test_cancelling_is_idempotent(
    client: FlaskClient, order: dict[str, Any], cancel: Callable[[FlaskClient], Any]
) -> None:
    """A second cancellation answers 200 with the same order and emits no further event."""
    first, second = cancel(client), cancel(client)
    assert (second.status_code, second.data) == (200, first.data)
    types = [each["event"]["type"] for each in read(client, "/order/1001/events")["events"]]
    assert types == ["order.placed", "inventory.reserved", "order.cancelled"]


@pytest.mark.parametrize("status", ["shipped", "delivered", "failed"])
def test_an_order_that_is_not_open_cannot_be_cancelled(
    app: Flask, client: FlaskClient, order: dict[str, Any], status: str
) -> None:
    """Cancelling is refused with 409 and the order's status, and changes nothing."""
    with transaction(app.extensions["daybook"].store) as tx:
        tx.put("orders", order | {"status": status})
    for answer in (cancel_by_patch(client), cancel_by_post(client)):
        assert (answer.status_code, body(answer)["order_status"]) == (409, status)
    assert read(client, "/order/1001")["version"] == 2


def test_cancelling_frees_the_stock_and_voids_the_invoice(
    client: FlaskClient, order: dict[str, Any], settled: Callable[[], None], stored: Stored
) -> None:
    """After the handlers, a cancelled order holds no stock, and its invoice is void but kept."""
    cancel_by_post(client)
    settled()
    assert read(client, "/product/tea")["available"] == 100
    invoice = stored("invoices", order["order_id"]) or {}
    assert (invoice["status"], invoice["total_amount"]) == ("void", "18.00")


@pytest.mark.parametrize("name", ["order_id", "number"])
def test_a_deleted_order_is_not_found(
    client: FlaskClient, order: dict[str, Any], name: str
) -> None:
    """Deleting by id or by number answers the id and removes the order from all lists."""
    answer = client.delete(f"/order/{order[name]}")
    assert (answer.status_code, body(answer)) == (
        200,
        {"order_id": order["order_id"], "deleted": True},
    )
    for name in (order["order_id"], "1001"):
        answer = client.get(f"/order/{name}")
        assert (answer.status_code, body(answer)["detail"]) == (404, "Order 1001 was deleted.")
    for name in ("1000", "1002", "0", "none", str(10**14)):
        assert body(client.get(f"/order/{name}"))["detail"] == f"There is no order {name}."
    assert read(client, "/order")["orders"] == []


@pytest.mark.parametrize("name", ["order_id", "number"])
def test_a_second_deletion_is_not_found(
    client: FlaskClient, order: dict[str, Any], name: str
) -> None:
    """A second deletion answers 404 with "deleted": false."""
    client.delete(f"/order/{order[name]}")
    answer = client.delete(f"/order/{order[name]}")
    assert (answer.status_code, body(answer)["deleted"]) == (404, False)
    assert body(answer)["order_id"] == str(order[name])


def test_deleting_frees_the_stock_and_voids_the_invoice(
    client: FlaskClient, order: dict[str, Any], settled: Callable[[], None], stored: Stored
) -> None:
    """After the handlers, a deleted order has no reservation, and its invoice is void but kept."""
    client.delete("/order/1001")
    settled()
    assert read(client, "/product/tea")["available"] == 100
    assert stored("reservations", order["order_id"]) is None
    assert (stored("invoices", order["order_id"]) or {})["status"] == "void"


def test_an_order_number_is_never_reused(client: FlaskClient, order: dict[str, Any]) -> None:
    """The number of a deleted order is not issued again."""
    client.delete("/order/1001")
    assert place(client, tea=1)["number"] == 1002


def test_the_timeline_outlives_the_order(
    client: FlaskClient, order: dict[str, Any], settled: Callable[[], None]
) -> None:
    """The timeline of a deleted order is found by its id, with every handler's outcome."""
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
