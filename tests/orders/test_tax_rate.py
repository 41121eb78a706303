"""The tax rate of an order line is that of its product at the moment of ordering."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.inventory.documents import PRODUCTS
from app.kernel.errors import Invalid
from app.kernel.money import Currency
from app.orders.schemas import check_order
from app.orders.service import OrderPolicy, record_past_order
from app.server.runtime import Runtime
from tests.orders.conftest import Stored
from tests.over_http import body, place, read, request_for
from tests.transactions import transaction


@pytest.fixture(autouse=True)
def shop(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """Tea is taxed by 7 percent, the mug by 0; the pot has no rate."""
    client.patch("/product/tea", json={"tax_rate": "7"})
    client.patch("/product/mug", json={"tax_rate": "0"})


def rates(order: Any) -> list[str | None]:
    """The rate of each line, None without one."""
    return [line.get("tax_rate", None) for line in order["items"]]


def test_lines_have_the_rates_of_their_products(client: FlaskClient, stored: Stored) -> None:
    """A rate of 0 is a rate; a line of a product without one has no such member."""
    order = place(client, tea=1, mug=1, pot=1)
    assert rates(order) == ["7", "0", None]
    assert "tax_rate" not in order["items"][2]
    assert rates(stored("orders", order["order_id"])) == ["7", "0", None]
    placed = read(client, "/order/1001/events")["events"][0]["event"]
    assert rates(placed["data"]["order"]) == ["7", "0", None]


def test_a_line_keeps_its_rate(client: FlaskClient) -> None:
    """Also for more pieces and another amount; a new line has the rate of today."""
    place(client, tea=1, pot=1)
    client.patch("/product/tea", json={"tax_rate": "19"})
    client.patch("/product/pot", json={"tax_rate": "19"})
    lines = [
        {"product": "tea", "quantity": 2, "amount": "9.00"},
        {"product": "pot", "quantity": 1},
        {"product": "mug", "quantity": 1},
    ]
    changed = body(client.patch("/order/1001", json={"items": lines}))
    assert rates(changed) == ["7", None, "0"]
    client.patch("/order/1001", json={"items": lines[2:]})
    assert rates(body(client.patch("/order/1001", json={"items": lines[:1]}))) == ["19"]


def test_a_request_sets_no_rate(client: FlaskClient) -> None:
    """The catalogue does."""
    wanted = request_for(tea=1)
    wanted["items"][0]["tax_rate"] = "0"
    answer = client.post("/order", json=wanted)
    assert answer.status_code == 422
    assert [each["pointer"] for each in body(answer)["errors"]] == ["/items/0/tax_rate"]


def test_a_past_order_has_no_rate(runtime: Runtime) -> None:
    """The catalogue has the rates of today."""
    with transaction(runtime.store) as tx:
        assert (tx.get(PRODUCTS.name, "tea") or {})["tax_rate"] == "7"
        order = record_past_order(
            tx,
            OrderPolicy(Currency("EUR")),
            request_for(tea=1),
            order_date="2020-01-01T00:00:00.000Z",
            status="delivered",
            payment_status="paid",
            detail="",
        )
    assert rates(order) == [None]


@pytest.mark.parametrize("rate", ["", "101", "-1", None, 7])
def test_a_stored_rate_is_checked(client: FlaskClient, stored: Stored, rate: object) -> None:
    """An edited orders.json with a wrong rate is refused."""
    order = stored("orders", place(client, tea=1)["order_id"]) or {}
    check_order(order)
    items = [order["items"][0] | {"tax_rate": rate}]
    with pytest.raises(Invalid, match="tax_rate"):
        check_order(order | {"items": items})
