"""What tests of orders look at besides the answers."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

Stored = Callable[[str, str], dict[str, Any] | None]


@pytest.fixture
def stored(app: Flask) -> Stored:
    """A function that reads a document, by collection and key, as it stands in the store."""

    def read(collection: str, key: str) -> dict[str, Any] | None:
        with app.extensions["daybook"].read() as view:
            found: dict[str, Any] | None = view.get(collection, key)
        return found

    return read
