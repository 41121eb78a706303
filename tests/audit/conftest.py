"""Shops whose documents are changed behind the services' back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.audit import recompute
from app.audit.findings import Findings
from app.audit.repair import mend
from app.billing.simulator import gateway
from app.config import Config
from app.server.runtime import Runtime
from app.shipping.service import rules_of
from app.store import Document
from tests.over_http import place

Edit = Callable[..., Document]
Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


@pytest.fixture
def edit(runtime: Runtime) -> Edit:
    """A function that changes a document behind the services' back."""

    def change(collection: str, key: str, **fields: Any) -> Document:
        with runtime.store.transaction() as tx:
            document = tx.get(collection, key)
            assert document is not None
            tx.put(collection, document | fields)
        return document | fields

    return change


@pytest.fixture
def order(client: FlaskClient, catalogue: dict[str, str], settled: Settled) -> dict[str, Any]:
    """An order with which everybody is through."""
    placed = place(client, tea=2, mug=1)
    settled()
    return placed


def look(runtime: Runtime) -> Findings:
    with runtime.store.read() as view:
        return recompute(view)


def told(runtime: Runtime) -> list[str]:
    return [str(difference) for difference in look(runtime).differences]


def mended(runtime: Runtime) -> list[str]:
    """What is left after mending."""
    config = runtime.config
    mend(runtime.store, look(runtime).differences, gateway(config), rules_of(config))
    return told(runtime)
