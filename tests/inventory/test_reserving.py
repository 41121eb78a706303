"""The events of inventory about an order."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.orders.service import OrderPolicy, place_order, products_of
from app.server.runtime import Runtime
from tests.over_http import place, read, request_for
from tests.transactions import transaction


@pytest.mark.parametrize(("pots", "said"), [(1, "reserved"), (2, "backordered")])
def test_inventory_events_carry_the_order_that_was_checked(
    client: FlaskClient,
    catalogue: dict[str, str],
    settled: Callable[[], None],
    pots: int,
    said: str,
) -> None:
    """The event has the order at the version that was checked, with its new status."""
    order = place(client, pot=pots)
    settled()
    event = read(client, "/order/1001/events")["events"][1]["event"]
    assert event["type"] == f"inventory.{said}"
    status = "confirmed" if said == "reserved" else "backordered"
    expected = {k: v for k, v in order.items() if k != "history"} | {"status": status}
    assert event["data"]["order"] == expected
    assert event["data"]["was"] == "placed"
    assert (event["data"]["number"], event["data"]["version"]) == (1001, 1)


def test_a_product_archived_while_an_order_is_placed_gets_no_stock(
    client: FlaskClient, runtime: Runtime, catalogue: dict[str, str], settled: Callable[[], None]
) -> None:
    """The order fails; otherwise an archived product would have an open order."""
    request = request_for(pot=1)
    with runtime.store.read() as view:
        products = products_of(view, request)
    assert client.delete("/product/pot").status_code == 200
    with transaction(runtime.store) as tx:
        place_order(tx, OrderPolicy(runtime.config.currency), request, products)
    settled()
    assert read(client, "/order/1001")["status"] == "failed"
    assert read(client, "/product/pot")["reserved"] == 0
