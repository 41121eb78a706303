"""Orders agree with themselves and with their events."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.orders.documents import ORDERS
from app.server.runtime import Runtime
from tests.audit.conftest import Edit, Settled, differences, repaired
from tests.over_http import place
from tests.transactions import transaction


class TestOrders:
    """Orders agree with themselves and with their events."""

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
        assert differences(runtime)[0].startswith(difference)

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
        assert differences(runtime) == ["number of order 1001: expected one order, found 2 orders"]

    def test_an_order_that_stays_placed(
        self, runtime: Runtime, edit: Edit, order: dict[str, Any], settled: Settled
    ) -> None:
        """Inventory is asked again, and speaks again."""
        history = order["history"][:1]
        edit(ORDERS.name, order["order_id"], status="placed", history=history)
        assert differences(runtime) == [
            "status of order 1001: expected confirmed, backordered or failed, found placed"
        ]
        repaired(runtime)
        settled()
        assert differences(runtime) == []

    def test_an_order_that_is_gone_without_a_word(
        self, runtime: Runtime, order: dict[str, Any]
    ) -> None:
        """There is no order.deleted event for it."""
        with transaction(runtime.store) as tx:
            tx.delete(ORDERS.name, order["order_id"])
        assert f"document of order {order['order_id']}: expected an order, by its events, " in (
            " ".join(differences(runtime))
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
        with transaction(runtime.store) as tx:
            tx.put(ORDERS.name, before)
        assert "document of order 1001: expected none, by its events, found an order" in (
            differences(runtime)
        )
