"""The application's store, for imports."""

import pytest
from flask import Flask

from app.runtime import Runtime


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    """The store of the application on a fresh folder."""
    runtime: Runtime = app.extensions["daybook"]
    return runtime
