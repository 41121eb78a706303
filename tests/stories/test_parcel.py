"""The story of a parcel, from the shelf to the doorstep. Read it as a tutorial.

The warehouse packs what is reserved and paid. From the moment in which a parcel is handed over, its
order can no longer be changed. The carrier says, signed, when it has arrived.
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
    # An order is placed. As soon as its goods are held and its money is there, the warehouse finds
    # it in the list of what is to be packed.
    order = place(client, tea=2, mug=1)
    settled()
    [shipment] = read(client, "/shipment?state=ready")["shipments"]
    packed = [(line["product"], line["quantity"]) for line in shipment["lines"]]
    assert (shipment["order_number"], packed) == (1001, [("tea", 2), ("mug", 1)])

    # The parcel is on the van. The answer says so at once; orders and inventory hear of it by
    # order.fulfilled, and the goods come off the shelf.
    answer = client.post("/shipment/1001/ship", json=PARCEL)
    assert (answer.status_code, body(answer)["state"]) == (200, "shipped")
    settled()
    assert read(client, "/order/1001")["status"] == "shipped"
    tea = read(client, "/product/tea")
    assert (tea["quantity"], tea["reserved"]) == (98, 0)

    # It is too late to think again: nobody can change, cancel or delete it any more.
    change = client.patch("/order/1001", json={"customer_name": "Eve"})
    assert change.status_code == client.delete("/order/1001").status_code == 409
    assert client.post("/order/1001/cancel").status_code == 409

    # The carrier calls back. Somebody else who says so is not believed.
    stranger = call_back(client, secret="whsec_" + "A" * 32)
    assert stranger.status_code == 403
    assert call_back(client).status_code == 200
    settled()
    history = [step["event"] for step in read(client, "/order/1001")["history"]]
    assert history[-2:] == ["shipped", "delivered"]
    assert types_of(client, order["order_id"])[-2:] == ["order.fulfilled", "order.delivered"]

    # Carriers call more than once. Nothing happens twice.
    assert call_back(client).status_code == 200
    settled()
    assert types_of(client).count("order.delivered") == 1
