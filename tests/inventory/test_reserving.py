"""The events of inventory about an order."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.over_http import place, read


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
