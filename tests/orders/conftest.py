"""What tests of orders look at besides the answers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app.config import Config
from app.kernel.payment_methods import INVOICE

Stored = Callable[[str, str], dict[str, Any] | None]


@pytest.fixture
def config(config: Config) -> Config:
    """Nobody is charged, so no payment makes a version of its own."""
    return replace(config, payment_method=INVOICE)


@pytest.fixture
def stored(app: Flask) -> Stored:
    """A function that reads a document, by collection and key, as it stands in the store."""

    def read(collection: str, key: str) -> dict[str, Any] | None:
        with app.extensions["daybook"].store.read() as view:
            found: dict[str, Any] | None = view.get(collection, key)
        return found

    return read
