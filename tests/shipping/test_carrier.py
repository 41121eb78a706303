"""The carrier's call-back and its signature."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Config, from_environment
from app.kernel.errors import Invalid
from tests.over_http import body, read
from tests.shipping.conftest import SECRET, call_back, ship, types_of

Settled = Callable[[], None]
OTHER_SECRET = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
def shipped(client: FlaskClient, ready: dict[str, Any]) -> dict[str, Any]:
    """An order that has been shipped."""
    ship(client)
    return ready


def test_a_repeated_call_back_is_idempotent(client: FlaskClient, shipped: dict[str, Any]) -> None:
    """The second call-back gets the first response and emits no event."""
    first, second = call_back(client), call_back(client)
    assert (second.status_code, second.data) == (200, first.data)
    assert types_of(client).count("order.delivered") == 1


def test_the_call_back_may_have_the_time_of_delivery(
    client: FlaskClient, shipped: dict[str, Any]
) -> None:
    """Without a time in the call-back, its arrival counts."""
    message = {"tracking_number": "JD0146", "delivered_at": "2026-11-24T10:30:00+01:00"}
    assert body(call_back(client, message=message))["delivered_at"] == "2026-11-24T09:30:00.000Z"


@pytest.mark.parametrize("moment", ["1900-01-01T00:00:00Z", "2999-01-01", "9999-12-31T23:59:59Z"])
def test_an_absurd_time_of_delivery_is_refused(
    client: FlaskClient, shipped: dict[str, Any], moment: str
) -> None:
    """422 names the field, and the shipment is not delivered."""
    answer = call_back(client, message={"tracking_number": "JD0146", "delivered_at": moment})
    assert answer.status_code == 422
    assert body(answer)["errors"][0]["pointer"] == "/delivered_at"
    assert read(client, "/shipment/1001")["state"] == "shipped"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_call_back_outside_five_minutes_is_refused(
    client: FlaskClient, shipped: dict[str, Any], minutes: int
) -> None:
    """A recorded call-back cannot be replayed later."""
    answer = call_back(client, at=datetime.now(UTC) + timedelta(minutes=minutes))
    assert answer.status_code == 403
    assert "not signed as it should be" in body(answer)["detail"]


def test_an_unsigned_call_back_is_refused(client: FlaskClient, shipped: dict[str, Any]) -> None:
    """Another secret, another body, or a malformed or missing signature is refused and changes
    nothing.
    """
    sent = call_back(client, message={"tracking_number": "?"}).request.headers
    good = {name.lower(): value for name, value in sent if name.startswith("Webhook-")}
    sign = "webhook-signature"
    attempts: list[dict[str, str]] = [
        good,
        good | {sign: "v1,"},
        good | {sign: "nonsense"},
        good | {sign: "v1,no-base64!"},
        good | {sign: ""},
        good | {"webhook-timestamp": "soon"},
        good | {"webhook-timestamp": "inf"},
    ]
    no_headers = client.post("/shipment/1001/delivered", json={"tracking_number": "JD0146"})
    assert no_headers.status_code == 400
    for headers in attempts:
        answer = client.post(
            "/shipment/1001/delivered", json={"tracking_number": "JD0146"}, headers=headers
        )
        assert answer.status_code == 403, headers
    assert call_back(client, secret=OTHER_SECRET).status_code == 403
    not_utf8 = client.post("/shipment/1001/delivered", data=b"\xff", headers=good)
    assert not_utf8.status_code == 403
    assert read(client, "/shipment/1001")["state"] == "shipped"


def test_a_call_back_about_another_shipment_is_refused(
    client: FlaskClient, shipped: dict[str, Any]
) -> None:
    """The signature does not cover the address; the tracking number in the body does."""
    answer = call_back(client, message={"tracking_number": "JD0999"})
    assert answer.status_code == 409
    assert "another tracking number" in body(answer)["detail"]


def test_an_unshipped_order_cannot_be_delivered(client: FlaskClient, ready: dict[str, Any]) -> None:
    """A 409 leaves the shipment ready."""
    answer = call_back(client)
    assert (answer.status_code, body(answer)["shipment_state"]) == (409, "ready")


def test_without_a_secret_there_are_no_call_backs(config: Config) -> None:
    """The refusal names the setting to set."""
    app = create_app(replace(config, carrier_secret=None))
    try:
        answer = call_back(app.test_client())
    finally:
        app.extensions["daybook"].close()
    assert answer.status_code == 403
    assert "DAYBOOK_CARRIER_SECRET is not set" in body(answer)["detail"]


def test_a_secret_is_shown_nowhere(config: Config) -> None:
    """Neither a refusal at the start nor the printed settings have the secret."""
    with pytest.raises(Invalid) as refused:
        from_environment({"DAYBOOK_CARRIER_SECRET": "whsec_c2hvcnQ="})
    assert "c2hvcnQ" not in str(refused.value)
    assert "24 to 64 random bytes" in str(refused.value)
    assert from_environment({"DAYBOOK_CARRIER_SECRET": SECRET}).carrier_secret == SECRET
    assert SECRET not in repr(config)
