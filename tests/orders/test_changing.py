"""PATCH /order/{id}: a merge patch (RFC 7396) of customer and lines."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.orders.conftest import Stored
from tests.over_http import body, read, request_for
from tests.transactions import transaction

MUG = {"product": "mug", "quantity": 1}
MERGE = "application/merge-patch+json"


@pytest.fixture
def order(
    client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
) -> dict[str, Any]:
    """A confirmed order of two teas and a mug, at version 2."""
    wanted = request_for(tea=2, mug=1) | {"customer_email": "ada@example.org"}
    client.post("/order", json=wanted)
    settled()
    found: dict[str, Any] = read(client, "/order/1001")
    return found


def test_a_patch_changes_only_the_named_fields(client: FlaskClient, order: dict[str, Any]) -> None:
    """A patch makes a new version with a line of history; order_date stays."""
    answer = client.patch("/order/1001", json={"customer_name": "Eva"}, content_type=MERGE)
    changed = body(answer)
    assert {name for name in order if changed[name] != order[name]} == {
        "customer_name",
        "order_update",
        "version",
        "details_version",
        "history",
    }
    assert (changed["version"], changed["details_version"]) == (3, 3)
    assert changed["history"][:2] == order["history"]
    assert (changed["history"][2]["event"], changed["history"][2]["detail"]) == (
        "changed",
        "customer_name",
    )


def test_null_removes_the_e_mail(client: FlaskClient, order: dict[str, Any]) -> None:
    """Null removes the customer's e-mail address, the one optional field."""
    assert body(client.patch("/order/1001", json={"customer_email": None}))["customer_email"] is (
        None
    )


def test_items_are_replaced_as_a_whole(client: FlaskClient, order: dict[str, Any]) -> None:
    """A patch of items replaces all lines, with their names, prices and totals."""
    items = [{"product": "tea", "quantity": 3, "amount": "4.00"}]
    changed = body(client.patch("/order/1001", json={"items": items}))
    assert changed["items"] == [items[0] | {"name": "Assam, 100 g", "line_total": "12.00"}]
    assert changed["total_amount"] == "12.00"


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"customer_name": "Ada"},
        {"customer_name": " Ada ", "customer_email": "ada@example.org"},
        {"items": [{"product": "tea", "quantity": 2}, MUG]},
        {"items": [{"product": "tea", "quantity": 2, "amount": "4.5"}, MUG]},
    ],
)
def test_a_patch_that_changes_nothing_emits_nothing(
    client: FlaskClient, order: dict[str, Any], patch: dict[str, Any]
) -> None:
    """A patch without effect answers 200 with the same version and emits no event."""
    answer = client.patch("/order/1001", json=patch)
    assert (answer.status_code, body(answer)) == (200, order)
    types = [each["event"]["type"] for each in read(client, "/order/1001/events")["events"]]
    assert types == ["order.placed", "inventory.reserved"]


def test_stock_and_invoice_follow_the_lines(
    client: FlaskClient, order: dict[str, Any], settled: Callable[[], None], stored: Stored
) -> None:
    """After a change of lines exactly the new lines are reserved, and the one invoice has the new
    total.
    """
    client.patch("/order/1001", json={"items": [{"product": "tea", "quantity": 7}]})
    settled()
    assert read(client, "/product/tea")["reserved"] == 7
    assert read(client, "/product/mug")["reserved"] == 0
    invoice = stored("invoices", order["order_id"]) or {}
    assert (invoice["invoice_number"], invoice["total_amount"]) == (1, "31.50")
    assert [step["event"] for step in invoice["history"]] == ["made", "adjusted"]


def test_a_change_may_use_the_stock_that_the_order_has_reserved(
    client: FlaskClient, order: dict[str, Any], settled: Callable[[], None]
) -> None:
    """Of ten mugs, one reserved by this order, a change of it may take ten but not eleven."""
    eleven, ten = ([{"product": "mug", "quantity": quantity}] for quantity in (11, 10))
    assert client.patch("/order/1001", json={"items": eleven}).status_code == 409
    assert client.patch("/order/1001", json={"items": ten}).status_code == 200
    settled()
    assert read(client, "/product/mug")["available"] == 0


def test_a_confirmed_order_becomes_backordered_when_its_new_lines_are_short(
    client: FlaskClient, order: dict[str, Any], settled: Callable[[], None]
) -> None:
    """A changed order waits for its new lines, and is confirmed once they can be reserved."""
    client.patch("/order/1001", json={"items": [{"product": "pot", "quantity": 9}]})
    settled()
    assert read(client, "/order/1001")["status"] == "backordered"
    client.patch("/order/1001", json={"items": [{"product": "pot", "quantity": 1}]})
    settled()
    assert read(client, "/order/1001")["status"] == "confirmed"


@pytest.mark.parametrize("status", ["shipped", "delivered", "cancelled", "failed"])
def test_an_order_that_is_not_open_cannot_be_changed(
    app: Flask, client: FlaskClient, order: dict[str, Any], status: str
) -> None:
    """A change is refused with 409 and the order's status; a patch without effect still answers the
    order.
    """
    with transaction(app.extensions["daybook"].store) as tx:
        tx.put("orders", order | {"status": status})
    answer = client.patch("/order/1001", json={"customer_name": "Eva"})
    assert (answer.status_code, body(answer)["order_status"]) == (409, status)
    assert client.patch("/order/1001", json={}).status_code == 200


@pytest.fixture
def reprice(client: FlaskClient) -> Callable[..., None]:
    """A function that changes a product of the catalogue."""

    def change(sku: str, **fields: Any) -> None:
        assert client.patch(f"/product/{sku}", json=fields).status_code == 200

    return change


@pytest.mark.parametrize(
    ("quantity", "amount", "total"),
    [(2, None, "9.00"), (3, None, "13.50"), (1, None, "4.50"), (2, "9", "18.00")],
)
def test_a_line_keeps_its_amount_unless_one_is_sent(
    client: FlaskClient,
    order: dict[str, Any],
    reprice: Callable[..., None],
    quantity: int,
    amount: str | None,
    total: str,
) -> None:
    """Lines that are sent again cost what was agreed, more pieces of them too."""
    reprice("tea", price="9.00", name="Assam")
    line = {"product": "tea", "quantity": quantity} | ({"amount": amount} if amount else {})
    changed = body(client.patch("/order/1001", json={"items": [line]}))
    assert changed["total_amount"] == total
    assert changed["items"][0]["name"] == "Assam, 100 g"


def test_sending_the_lines_again_changes_nothing(
    client: FlaskClient, order: dict[str, Any], reprice: Callable[..., None]
) -> None:
    """Neither a new price nor a new name of a product changes an order."""
    reprice("tea", price="9.00", name="Assam")
    items = [{"product": "tea", "quantity": 2}, MUG]
    assert body(client.patch("/order/1001", json={"items": items})) == order


def test_a_new_line_costs_the_price_of_today(
    client: FlaskClient, order: dict[str, Any], reprice: Callable[..., None]
) -> None:
    """A product that the order did not have gets the catalogue's price."""
    reprice("pot", price="31.00")
    items = [{"product": "tea", "quantity": 2}, {"product": "pot", "quantity": 1}]
    assert body(client.patch("/order/1001", json={"items": items}))["total_amount"] == "40.00"


@pytest.mark.parametrize(
    ("sent", "total"),
    [
        ([(2, None), (1, None)], "11.00"),
        ([(1, None), (2, None)], "11.00"),
        ([(5, "1.00"), (1, None)], "8.00"),
        ([(1, None)], "3.00"),
        ([(5, None), (6, None), (1, "4.00")], "37.00"),
        ([(2, None), (1, None), (1, None)], "14.00"),
    ],
)
def test_lines_of_one_product_keep_each_its_amount(
    client: FlaskClient, order: dict[str, Any], sent: list[tuple[int, str | None]], total: str
) -> None:
    """Lines of one product are matched by amount, quantity, then place; an additional one costs as
    much as the last.
    """
    items: list[dict[str, Any]] = [
        {"product": "tea", "quantity": 2, "amount": "4.00"},
        {"product": "tea", "quantity": 1, "amount": "3.00"},
    ]
    assert client.patch("/order/1001", json={"items": items}).status_code == 200
    lines = [
        {"product": "tea", "quantity": quantity} | ({"amount": amount} if amount else {})
        for quantity, amount in sent
    ]
    assert body(client.patch("/order/1001", json={"items": lines}))["total_amount"] == total
