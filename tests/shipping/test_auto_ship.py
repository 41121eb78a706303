"""DAYBOOK_AUTO_SHIP=on ships a ready shipment at once, for demonstrations."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.config import Config
from tests.over_http import place, read
from tests.shipping.conftest import types_of


@pytest.fixture
def config(config: Config) -> Config:
    return replace(config, auto_ship=True)


@pytest.mark.usefixtures("catalogue")
def test_a_reserved_order_is_shipped_at_once(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """A reserved order becomes confirmed and then shipped; one that waits for stock stays."""
    place(client, tea=1)
    place(client, pot=5)
    settled()
    order = read(client, "/order/1001")
    steps = [step["event"] for step in order["history"]]
    assert steps == ["placed", "confirmed", "shipped"]
    assert read(client, "/shipment/1001")["tracking_number"] == "DEMO-1001"
    assert read(client, "/order/1002")["status"] == "backordered"
    assert "order.fulfilled" not in types_of(client, 1002)
