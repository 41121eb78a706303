"""Order numbers."""

import shutil
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from tests.over_http import place


def test_imported_orders_keep_their_numbers(
    app: Flask, client: FlaskClient, catalogue: dict[str, str], tmp_path: Path
) -> None:
    """A folder with only orders.json and products.json continues after the highest order number."""
    numbers = [place(client, tea=1)["number"] for _ in range(3)]
    app.extensions["daybook"].close()
    brought = tmp_path / "brought"
    brought.mkdir()
    for name in ("orders.json", "products.json"):
        shutil.copy(tmp_path / "data" / name, brought / name)
    other = create_app(Config(data=brought))
    try:
        assert place(other.test_client(), tea=1)["number"] == max(numbers) + 1
    finally:
        other.extensions["daybook"].close()
