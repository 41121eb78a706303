"""The story of a shipment, from reservation to delivery. Read it as a tutorial.

The warehouse packs orders that are reserved and paid. Once a parcel is handed over, its order can
no longer be changed. The carrier reports the delivery with a signed request.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.config import Config
from tests.over_http import body, place, read
from tests.shipping.conftest import PARCEL, SECRET, call_back, types_of

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """The carrier and the shop share a secret (DAYBOOK_CARRIER_SECRET)."""
    return replace(config, carrier_secret=SECRET)


@pytest.mark.usefixtures("catalogue")
def test_a_parcel_is_packed_shipped_and_delivered(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Reserved and paid → ready → order.fulfilled → order.delivered."""
    # An order is placed. As soon as it is reserved and paid, the warehouse finds it in the list of
    # shipments to pack.
    order = place(client, tea=2, mug=1)
    settled()
    [shipment] = read(client, "/shipment?state=ready")["shipments"]
    packed = [(line["product"], line["quantity"]) for line in shipment["lines"]]
    assert (shipment["order_number"], packed) == (1001, [("tea", 2), ("mug", 1)])

    # The parcel is handed over. The response has the new state at once. Orders and inventory then
    # receive order.fulfilled: the order is shipped, and the quantity on hand falls.
    answer = client.post("/shipment/1001/ship", json=PARCEL)
    assert (answer.status_code, body(answer)["state"]) == (200, "shipped")
    settled()
    assert read(client, "/order/1001")["status"] == "shipped"
    tea = read(client, "/product/tea")
    assert (tea["quantity"], tea["reserved"]) == (98, 0)

    # A shipped order cannot be changed, deleted or cancelled.
    change = client.patch("/order/1001", json={"customer_name": "Eve"})
    assert change.status_code == client.delete("/order/1001").status_code == 409
    assert client.post("/order/1001/cancel").status_code == 409

    # The carrier reports the delivery. A request with another signature is refused.
    stranger = call_back(client, secret="whsec_" + "A" * 32)
    assert stranger.status_code == 403
    assert call_back(client).status_code == 200
    settled()
    history = [step["event"] for step in read(client, "/order/1001")["history"]]
    assert history[-2:] == ["shipped", "delivered"]
    assert types_of(client, order["order_id"])[-2:] == ["order.fulfilled", "order.delivered"]

    # A repeated report has no further effect.
    assert call_back(client).status_code == 200
    settled()
    assert types_of(client).count("order.delivered") == 1
