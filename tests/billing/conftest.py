"""Fixtures of the tests of billing: the invoices, and the gateway's own record."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app.billing.documents import INVOICES
from app.billing.simulator import Simulator
from app.config import Config
from app.server.runtime import Runtime

Document = dict[str, Any]
Settled = Callable[[], None]
Invoices = Callable[[], list[Document]]


@pytest.fixture
def config(config: Config) -> Config:
    """The shop has fault switches."""
    return replace(config, faults=True)


@pytest.fixture
def invoices(app: Flask, settled: Settled) -> Invoices:
    """A function that returns all invoices by number, after every event was handled."""
    runtime: Runtime = app.extensions["daybook"]

    def read() -> list[Document]:
        settled()
        with runtime.store.read() as view:
            found = (view.get(INVOICES.name, key) for key in view.keys(INVOICES.name))
            return sorted(filter(None, found), key=lambda invoice: invoice["invoice_number"])

    return read


@pytest.fixture
def gateway(config: Config) -> Simulator:
    """A second client of the shop's payment gateway."""
    return Simulator(config.data / "gateway")


def gateway_requests(gateway: Simulator) -> list[tuple[str, str, bool, int]]:
    """(kind, amount, approved, calls) of every request that the gateway has recorded."""
    return [
        (each["kind"], each["amount"], bool(each["reference"] and not each["declined"]), calls)
        for each in gateway.requests()
        for calls in [each["calls"]]
    ]
