"""Goods leave when they are paid; where the shop says so, as soon as they are there."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.config import Config, from_environment
from app.kernel.errors import Invalid
from app.kernel.payment_methods import APPROVE, DECLINE
from tests.over_http import body, place, read
from tests.shipping.conftest import ship

Settled = Callable[[], None]
pytestmark = pytest.mark.usefixtures("catalogue")


class TestPaid:
    """DAYBOOK_SHIP_WHEN=paid, the default."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        """With fault switches, to have billing come late."""
        return replace(config, payment_method=APPROVE, faults=True, retry_attempts=1)

    def test_a_paid_order_is_ready(self, client: FlaskClient, settled: Settled) -> None:
        """Whichever comes first, stock or payment."""
        place(client, tea=1)
        settled()
        assert read(client, "/shipment/1001")["state"] == "ready"
        assert ship(client).status_code == 200

    def test_an_order_waits_for_its_payment(self, client: FlaskClient, settled: Settled) -> None:
        """The list and the refusal say so; it is ready when billing has done its part."""
        client.put("/fault/billing", json={"mode": "fail"})
        place(client, tea=1)
        settled()
        assert read(client, "/shipment/1001")["waits_for"] == ["payment"]
        answer = ship(client)
        assert answer.status_code == 409
        assert "waits for payment" in body(answer)["detail"]
        client.delete("/fault/billing")
        client.post("/failure/replay", json={"all": True})
        settled()
        assert read(client, "/shipment/1001")["state"] == "ready"

    def test_what_was_added_has_to_be_paid_too(self, client: FlaskClient, settled: Settled) -> None:
        """The difference, before the larger parcel leaves."""
        place(client, tea=1)
        settled()
        client.put("/fault/billing", json={"mode": "fail"})
        client.patch("/order/1001", json={"items": [{"product": "tea", "quantity": 3}]})
        settled()
        assert read(client, "/shipment/1001")["waits_for"] == ["payment"]
        client.delete("/fault/billing")
        client.post("/failure/replay", json={"all": True})
        settled()
        assert read(client, "/shipment/1001")["state"] == "ready"


def test_an_order_by_invoice_does_not_wait(client: FlaskClient, settled: Settled) -> None:
    """Its customer pays some day."""
    place(client, tea=1)
    settled()
    assert read(client, "/order/1001")["payment_status"] == "pending"
    assert ship(client).status_code == 200


class TestReserved:
    """DAYBOOK_SHIP_WHEN=reserved."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        """Billing never gets its money."""
        return replace(
            config, payment_method=APPROVE, ship_when="reserved", faults=True, retry_attempts=1
        )

    def test_goods_leave_unpaid(self, client: FlaskClient, settled: Settled) -> None:
        """The payment may follow."""
        client.put("/fault/billing", json={"mode": "fail"})
        place(client, tea=1)
        settled()
        assert ship(client).status_code == 200


class TestDeclined:
    """The gateway declines."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return replace(config, payment_method=DECLINE)

    def test_nothing_is_left_to_be_packed(self, client: FlaskClient, settled: Settled) -> None:
        """The order has failed."""
        place(client, tea=1)
        settled()
        assert read(client, "/order/1001")["status"] == "failed"
        assert read(client, "/shipment")["shipments"] == []
        assert ship(client).status_code == 404


def test_when_to_ship_is_paid_or_reserved() -> None:
    """Nothing else is understood."""
    with pytest.raises(Invalid, match="must be paid or reserved"):
        from_environment({"DAYBOOK_SHIP_WHEN": "whenever"})
