"""Fixtures of the tests of orders."""

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
    """Orders are paid by invoice, so that no payment adds a version."""
    return replace(config, payment_method=INVOICE)


@pytest.fixture
def stored(app: Flask) -> Stored:
    """A function that reads a document from the store by collection and key."""

    def read(collection: str, key: str) -> dict[str, Any] | None:
        with app.extensions["daybook"].store.read() as view:
            found: dict[str, Any] | None = view.get(collection, key)
        return found

    return read
