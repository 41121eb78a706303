"""What the orders say of themselves, and their events of them."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.orders.service import ORDERS
from app.server.runtime import Runtime
from tests.audit.conftest import Edit, Settled, mended, told
from tests.over_http import place


class TestOrders:
    """What the orders say of themselves, and their events of them."""

    @pytest.mark.parametrize(
        ("fields", "difference"),
        [
            ({"status": "shipped"}, "status of order 1001: expected confirmed, by its history, "),
            ({"total_amount": "1.00"}, "document of order "),
        ],
    )
    def test_an_order_that_contradicts_itself(
        self,
        runtime: Runtime,
        edit: Edit,
        order: dict[str, Any],
        fields: dict[str, Any],
        difference: str,
    ) -> None:
        edit(ORDERS.name, order["order_id"], **fields)
        assert told(runtime)[0].startswith(difference)

    def test_a_number_that_stands_twice(
        self,
        runtime: Runtime,
        client: FlaskClient,
        edit: Edit,
        order: dict[str, Any],
        settled: Settled,
    ) -> None:
        other = place(client, tea=1)
        settled()
        edit(ORDERS.name, other["order_id"], number=1001)
        assert told(runtime) == ["number of order 1001: expected one order, found 2 orders"]

    def test_an_order_that_stays_placed(
        self, runtime: Runtime, edit: Edit, order: dict[str, Any], settled: Settled
    ) -> None:
        """Inventory is asked again, and speaks again."""
        history = order["history"][:1]
        edit(ORDERS.name, order["order_id"], status="placed", history=history)
        assert told(runtime) == [
            "status of order 1001: expected confirmed, backordered or failed, found placed"
        ]
        mended(runtime)
        settled()
        assert told(runtime) == []

    def test_an_order_that_is_gone_without_a_word(
        self, runtime: Runtime, order: dict[str, Any]
    ) -> None:
        """No order.deleted tells of it."""
        with runtime.store.transaction() as tx:
            tx.delete(ORDERS.name, order["order_id"])
        assert f"document of order {order['order_id']}: expected an order, by its events, " in (
            " ".join(told(runtime))
        )

    def test_an_order_that_came_back(
        self, runtime: Runtime, client: FlaskClient, order: dict[str, Any], settled: Settled
    ) -> None:
        """order.deleted says that it should not be there."""
        with runtime.store.read() as view:
            before = view.get(ORDERS.name, order["order_id"])
        assert before is not None
        client.delete("/order/1001")
        settled()
        with runtime.store.transaction() as tx:
            tx.put(ORDERS.name, before)
        assert "document of order 1001: expected none, by its events, found an order" in (
            told(runtime)
        )
