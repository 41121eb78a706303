"""Commands within the test's own process, and shops where handlers failed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from app.config import Config
from app.events.failures import FAILURES
from app.server.runtime import Runtime
from app.store import Document
from tests.over_http import place

Give = Callable[..., Result]
Failures = Callable[[], list[Document]]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


@pytest.fixture
def flask(app: Flask) -> Give:
    """A function that gives a command: flask("replay", "--all")."""

    def give(*words: str) -> Result:
        return app.test_cli_runner().invoke(args=[str(word) for word in words])

    return give


@pytest.fixture
def failures(runtime: Runtime) -> Failures:
    """A function that reads the entries of failure.json."""

    def read() -> list[Document]:
        with runtime.store.read() as view:
            return view.find(FAILURES.name).documents

    return read


@pytest.fixture
def three_failures(
    client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
) -> list[Document]:
    """Three orders that billing refused; its fault switch is off again."""
    client.put("/fault/billing", json={"mode": "reject"})
    orders = [place(client, name, tea=1) for name in ("Ada", "Bo", "Cy")]
    settled()
    client.delete("/fault/billing")
    return orders
