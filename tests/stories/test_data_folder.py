"""The story of a data folder: on files, everything can be read without the service."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from tests.over_http import read

Settled = Callable[[], None]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A shop on files, with fault switches."""
    return Config(data=tmp_path / "data", faults=True, retry_attempts=3, retry_wait=0.001)


@pytest.mark.usefixtures("catalogue")
def test_the_data_folder_can_be_read_without_the_service(
    app: Flask, client: FlaskClient, config: Config, settled: Settled
) -> None:
    """The stopped service leaves plain JSON files, and the next start goes on from them."""
    client.put("/fault/billing", json={"mode": "reject"})
    client.post(
        "/order", json={"customer_name": "Ann", "items": [{"product": "tea", "quantity": 2}]}
    )
    settled()
    app.extensions["daybook"].close()

    # Each document is one line of a JSON array.
    [order] = json.loads((config.data / "orders.json").read_text("utf-8"))
    assert (order["number"], order["status"]) == (1001, "confirmed")
    [failure] = json.loads((config.data / "failure.json").read_text("utf-8"))
    assert (failure["handler"], failure["event"]["subject"]) == ("billing", order["order_id"])

    # A new process starts with the same order and the same failure.
    again = create_app(config)
    try:
        assert read(again.test_client(), "/order/1001")["order_id"] == order["order_id"]
        assert read(again.test_client(), "/failure")["failures"][0]["id"] == failure["id"]
    finally:
        again.extensions["daybook"].close()
