"""Shops whose documents are changed without the services."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.audit import recompute
from app.audit.repair import repair
from app.audit.report import AuditReport
from app.billing.simulator import payment_gateway
from app.config import Config
from app.server.runtime import Runtime
from app.shipping.service import shipping_policy
from app.store import Document
from tests.over_http import place
from tests.transactions import transaction

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
        with transaction(runtime.store) as tx:
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


def audit(runtime: Runtime) -> AuditReport:
    with runtime.store.read() as view:
        return recompute(view)


def differences(runtime: Runtime) -> list[str]:
    return [str(difference) for difference in audit(runtime).differences]


def repaired(runtime: Runtime) -> list[str]:
    """Repair what can be repaired; the differences that are left."""
    config = runtime.config
    repair(
        runtime.store, audit(runtime).differences, payment_gateway(config), shipping_policy(config)
    )
    return differences(runtime)
