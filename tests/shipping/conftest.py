"""Fixtures of the tests of shipping: a shop with a carrier that signs its call-backs."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from app.config import Config
from app.kernel.payment_methods import INVOICE
from tests.over_http import place, read

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PARCEL = {"carrier": "DHL", "tracking_number": "JD0146"}


@pytest.fixture
def config(config: Config) -> Config:
    """The carrier's secret is set; orders are paid by invoice, which adds no events."""
    return replace(config, carrier_secret=SECRET, payment_method=INVOICE)


@pytest.fixture
def ready(
    client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
) -> dict[str, Any]:
    """A confirmed order of two teas and a mug, ready to be shipped."""
    place(client, tea=2, mug=1)
    settled()
    order: dict[str, Any] = read(client, "/order/1001")
    return order


def ship(client: FlaskClient, name: object = 1001, **headers: str) -> TestResponse:
    """Hand the order's shipment to the carrier."""
    return client.post(f"/shipment/{name}/ship", json=PARCEL, headers=headers)


def call_back(
    client: FlaskClient,
    name: object = 1001,
    *,
    secret: str = SECRET,
    at: datetime | None = None,
    message: dict[str, Any] | None = None,
) -> TestResponse:
    """Send the carrier's signed call-back that a shipment has arrived."""
    body = json.dumps(message or {"tracking_number": PARCEL["tracking_number"]})
    at = at or datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body),
        "Content-Type": "application/json",
    }
    return client.post(f"/shipment/{name}/delivered", data=body, headers=headers)


def types_of(client: FlaskClient, name: object = 1001) -> list[str]:
    """The types of an order's events, in order."""
    events = read(client, f"/order/{name}/events")["events"]
    return [record["event"]["type"] for record in events]
