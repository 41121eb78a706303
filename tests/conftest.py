"""Fixtures of every test: the real application on a data folder of its own.

A module with other settings overrides `config`; `app` and `client` follow.
"""

import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import freezegun.api
import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from werkzeug.routing import Rule

from app import create_app
from app.config import Config
from app.events.dispatch.jobs import JOB_DAYS
from app.events.outbox import DEAD, OUTBOX, PENDING
from app.inventory.service import add_product
from app.orders.documents import ORDERS
from app.orders.service import emit_missing_deletion
from app.server.runtime import Runtime
from app.store import View
from app.store.files.checkpointer import Checkpointer
from tests.postgresql import empty, other_database, postgresql_database
from tests.transactions import transaction

# waits for locks and changes measure real time: with a frozen clock they would never end
freezegun.configure(extend_ignore_list=["filelock", "app.store", "psycopg", "psycopg_pool"])


class FreezeStack(list[Any]):
    """A stack of freezegun, whose last entry is that of the real clock when the stack is empty.

    A dispatcher may be reading the frozen time when a test ends the freeze. It would find the stack
    empty, and give its delivery up because of an IndexError.
    """

    def __init__(self, real: object) -> None:
        self._real = real

    def __getitem__(self, index: Any) -> Any:
        try:
            return super().__getitem__(index)
        except IndexError:
            return self._real


freezegun.api.freeze_factories = FreezeStack(lambda: datetime.now(UTC).replace(tzinfo=None))
freezegun.api.tz_offsets = FreezeStack(timedelta())
freezegun.api.ignore_lists = FreezeStack(())


class Loggers(dict[str, Any]):
    """The loggers of this process, listed as they are at one moment.

    pytest goes through them at the begin of each test. A thread of a shop may import a library
    meanwhile, whose logger is new.
    """

    def values(self) -> Any:
        return list(super().values())


logging.Logger.manager.loggerDict = Loggers(logging.Logger.manager.loggerDict)

# a test that waits for the processor is not at fault
hypothesis.settings.register_profile(
    "daybook", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("daybook")

PATIENCE_S = 60.0


class RuleCompiledOnce(Rule):
    """A rule that is compiled for the first application only.

    Werkzeug compiles each anew for each application, which takes much of the time of create_app;
    the result depends on the rule's text and options alone.
    """

    _compiled: ClassVar[dict[tuple[object, ...], dict[str, Any]]] = {}
    _RESULT = ("_parts", "_trace", "_converters", "_build", "_build_unknown", "arguments")

    def compile(self) -> None:
        slashes = self.strict_slashes, self.merge_slashes
        key = (self.rule, self.host, self.subdomain, str(self.defaults), *slashes)
        if key in self._compiled:
            vars(self).update(self._compiled[key])
        else:
            super().compile()
            self._compiled[key] = {name: getattr(self, name) for name in self._RESULT}


Flask.url_rule_class = RuleCompiledOnce
# each application has a Jinja environment of its own, which would compile every template again
Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache()}

CATALOGUE = (
    {"sku": "tea", "name": "Assam, 100 g", "price": "4.50", "quantity": 100, "category": "tea"},
    {"sku": "mug", "name": "Mug", "price": "12.00", "quantity": 10, "low_stock_threshold": 3},
    {"sku": "pot", "name": "Teapot", "price": "30.00", "quantity": 1, "backorder": True},
    {"sku": "tin", "name": "Tea tin", "price": "8.25", "quantity": 0},
)


def pytest_xdist_auto_num_workers() -> int:
    """Two workers more than processors: many tests wait for a process, a disk or a deadline."""
    return len(os.sched_getaffinity(0)) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests: at the end, one would run alone."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def quick_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the tests' own process a sync does nothing: only a power cut would tell.

    Tests of the store wait for the disk; tests of lost syncs put a model of it in its place.
    """
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _fd: None)


@pytest.fixture(scope="session")
def _database() -> Iterator[str]:
    with postgresql_database() as url:
        yield url


@pytest.fixture
def postgresql_url(_database: str) -> str:
    """The URL of a database without tables."""
    empty(_database)
    return _database


@pytest.fixture(scope="session")
def _other_database(_database: str) -> str:
    return other_database(_database)


@pytest.fixture
def other_postgresql_url(_other_database: str) -> str:
    """The URL of another database without tables, on the same server."""
    empty(_other_database)
    return _other_database


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The default settings, with a new data folder and short pauses between retries."""
    return Config(data=tmp_path / "data", retry_wait=0.001)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The application from create_app; its store and dispatcher close after the test."""
    app = create_app(config)
    yield app
    app.extensions["daybook"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application; its first request starts the dispatcher."""
    return app.test_client()


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    """The runtime of the application: its store, and its dispatcher once started."""
    runtime: Runtime = app.extensions["daybook"]
    return runtime


@pytest.fixture
def catalogue(runtime: Runtime) -> dict[str, str]:
    """Four products: 100 tea, 10 mugs, one teapot with backorder, no tins. Returns sku → price."""
    with transaction(runtime.store) as tx:
        for product in CATALOGUE:
            add_product(tx, dict(product))
    return {str(product["sku"]): str(product["price"]) for product in CATALOGUE}


@pytest.fixture
def no_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal keeps all that a test reads there; name it before what makes a request."""
    monkeypatch.setattr(Checkpointer, "start", lambda _self: None)


@pytest.fixture
def take_out(runtime: Runtime) -> Callable[[str], None]:
    """A function that removes an order of any status, and emits its deletion.

    A person who edits orders.json removes an order so; `flask check --repair` emits the event.
    """

    def remove(order_id: str) -> None:
        with transaction(runtime.store) as tx:
            tx.delete(ORDERS.name, order_id)
            emit_missing_deletion(tx, order_id)

    return remove


@pytest.fixture
def settled(runtime: Runtime) -> Callable[[], None]:
    """A function that waits until each delivery is done, dead, or waits behind a dead one.

    The dispatcher has then led, and recorded the first day of its jobs.
    """
    return partial(settle, runtime)


def settle(runtime: Runtime) -> None:
    """Start the dispatcher, and wait as `settled` does."""
    runtime.start()
    feed = runtime.store.change_feed(OUTBOX.name, JOB_DAYS.name)
    deadline = monotonic() + PATIENCE_S
    while True:
        with runtime.store.read() as view:
            pending, has_led = _pending(view), any(view.keys(JOB_DAYS.name))
        if has_led and not pending:
            return
        assert monotonic() < deadline, f"still pending: {pending[:5] or 'the jobs of a leader'}"
        feed.take(timeout_s=0.25)


def _pending(view: View) -> list[tuple[str, str, str]]:
    """Return (subject, event type, handler) of each pending delivery not behind a dead one."""
    blocked, pending = set(), []
    for record in view.find(OUTBOX.name).documents:
        subject = record["event"]["subject"]
        for handler, delivery in record["deliveries"].items():
            if delivery["state"] == DEAD:
                blocked.add((subject, handler))
            elif delivery["state"] == PENDING and (subject, handler) not in blocked:
                pending.append((subject, record["event"]["type"], handler))
    return pending
