"""DAYBOOK_SHIP_WHEN: whether goods leave only when they are paid."""

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
        """A shipment is ready after stock and payment, in either order."""
        place(client, tea=1)
        settled()
        assert read(client, "/shipment/1001")["state"] == "ready"
        assert ship(client).status_code == 200

    def test_an_order_waits_for_its_payment(self, client: FlaskClient, settled: Settled) -> None:
        """The list and the refusal say that it waits for payment, until billing has recorded it."""
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

    def test_a_larger_order_waits_for_the_difference(
        self, client: FlaskClient, settled: Settled
    ) -> None:
        """The shipment waits until the difference is paid."""
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
    """An order paid by invoice is shipped before its payment."""
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
        """A reserved order is shipped before its payment."""
        client.put("/fault/billing", json={"mode": "fail"})
        place(client, tea=1)
        settled()
        assert ship(client).status_code == 200


class TestDeclined:
    """A shop whose gateway declines."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return replace(config, payment_method=DECLINE)

    def test_a_failed_order_has_no_shipment(self, client: FlaskClient, settled: Settled) -> None:
        """A declined payment fails the order and removes its shipment."""
        place(client, tea=1)
        settled()
        assert read(client, "/order/1001")["status"] == "failed"
        assert read(client, "/shipment")["shipments"] == []
        assert ship(client).status_code == 404


def test_when_to_ship_is_paid_or_reserved() -> None:
    """Any other value of DAYBOOK_SHIP_WHEN is refused."""
    with pytest.raises(Invalid, match="must be paid or reserved"):
        from_environment({"DAYBOOK_SHIP_WHEN": "whenever"})
