"""Four processes act as one shop, for all clients and through all kills."""

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import pytest

from app import create_app
from app.audit import recompute
from app.config import Config
from app.inventory.service import add_product
from app.server.runtime import Runtime
from app.store import View
from tests.durability.conftest import EVERYTHING, SEED, Report
from tests.durability.history import SKUS, Act, contradictions, run_clients
from tests.processes.clients import Load
from tests.processes.conftest import Serve, serve
from tests.processes.reconciliation import FIRST_NUMBER, fill_catalogue, open_store
from tests.processes.servers import leader_of, wait_for
from tests.transactions import transaction

__all__ = ["serve"]
"""The fixture of tests/processes."""

CLIENTS = 4
ACTS = 2_000 if EVERYTHING else 500
IN_CHAOS = 3_000 if EVERYTHING else 400
"""Orders of each client; with `make crash` they take a minute or more."""
STOCK = {"few": 60, "many": 1_000_000}


@pytest.fixture
def data(scratch: Path) -> Path:
    """The data folder; it does not exist yet."""
    return scratch / "data"


def add_products(data: Path) -> None:
    """Two products, one of which is soon sold out."""
    runtime: Runtime = create_app(Config(data=data)).extensions["daybook"]
    with transaction(runtime.store) as tx:
        for sku in SKUS:
            add_product(tx, {"sku": sku, "name": sku, "price": "1.00", "quantity": STOCK[sku]})
    runtime.close()


def differences(view: View) -> list[str]:
    """The differences that the audit finds."""
    return [str(each) for each in recompute(view).differences]


@pytest.mark.deep
def test_clients_see_one_shop(data: Path, serve: Serve, report: Report) -> None:
    """Eight thousand acts (two thousand in CI) of four clients have no contradiction."""
    add_products(data)
    servers = [serve(), serve()]
    clients = run_clients(servers, CLIENTS, ACTS, SEED)
    history = [act for client in clients for act in client.acts]
    assert [each for client in clients for each in client.unforeseen] == []
    assert [each for client in clients for each in client.negative] == [], "negative stock"
    assert list(contradictions(history)) == []
    placed = sorted(act.number for act in history if act.what == "POST")
    assert placed == list(range(FIRST_NUMBER, FIRST_NUMBER + len(placed)))
    with open_store(data) as books:
        wait_for("all deliveries", lambda: books.open_events() == 0)
        assert books.read(differences) == []
    report(len(history), "acts in a history over 4 processes")


def test_checker_finds_each_contradiction() -> None:
    """The checker reports each kind of contradiction in made-up histories."""
    first = Act("POST", 1, 0.0, 1.0, 1)
    assert list(contradictions([first, Act("GET", 1, 2.0, 3.0, 1)])) == []
    stale = [first, Act("PATCH", 1, 2.0, 3.0, 2), Act("GET", 1, 4.0, 5.0, 1)]
    twice = [first, Act("PATCH", 1, 2.0, 4.0, 2), Act("PATCH", 1, 3.0, 5.0, 2)]
    undone = [first, Act("DELETE", 1, 2.0, 3.0, 10**9), Act("GET", 1, 4.0, 5.0, 1)]
    other = [first, Act("PATCH", 1, 2.0, 3.0, 2, expected=2)]
    ignored = [first, Act("PATCH", 1, 2.0, 5.0, 2), Act("PATCH", 1, 2.0, 5.0, 3, expected=1)]
    for history in (stale, twice, undone, other, ignored):
        assert len(list(contradictions(history))) == 1


def is_led_by_another(data: Path, leader: int) -> bool:
    """Whether another process leads."""
    return leader_of(data) not in (None, leader)


@pytest.mark.deep
@pytest.mark.long
def test_chaos_loses_nothing_and_doubles_nothing(data: Path, serve: Serve, report: Report) -> None:
    """Leaders, workers and whole servers are killed at random under load, and started again."""
    random, kills = Random(SEED), 0
    fill_catalogue(data)
    servers = [serve(), serve()]
    with Load(servers, CLIENTS, IN_CHAOS) as load:
        while not load.is_over:
            leader, server = leader_of(data), random.choice(servers)
            chance = random.random()
            if leader and chance < 1 / 3:
                with suppress(ProcessLookupError):  # it may be one of those just killed
                    os.kill(leader, signal.SIGKILL)
                wait_for("another leads", partial(is_led_by_another, data, leader))
            elif (workers := sorted(server.workers())) and chance < 2 / 3:
                with suppress(ProcessLookupError):  # the last one killed may just be ending
                    os.kill(random.choice(workers), signal.SIGKILL)
            else:
                server.kill()
                server.start()
            kills += 1
    assert load.refused == []
    assert len(load.acknowledged) == CLIENTS * IN_CHAOS
    with open_store(data) as books:
        wait_for("all deliveries", lambda: books.open_events() == 0)
        books.check_all(CLIENTS * IN_CHAOS)
        assert books.out_of_order() == []
    report(kills, "kills under load")
    report(len(load.acknowledged), "orders placed under these kills")
