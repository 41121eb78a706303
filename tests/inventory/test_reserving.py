"""What inventory says once it has looked at an order."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.over_http import place, read


@pytest.mark.parametrize(("pots", "said"), [(1, "reserved"), (2, "backordered")])
def test_the_answer_carries_the_order_that_was_looked_at(
    client: FlaskClient,
    catalogue: dict[str, str],
    settled: Callable[[], None],
    pots: int,
    said: str,
) -> None:
    """Who hears it later need not ask what the order was then; the history stays at home."""
    order = place(client, pot=pots)
    settled()
    event = read(client, "/order/1001/events")["events"][1]["event"]
    assert event["type"] == f"inventory.{said}"
    assert event["data"]["order"] == {k: v for k, v in order.items() if k != "history"}
    assert (event["data"]["number"], event["data"]["version"]) == (1001, 1)
