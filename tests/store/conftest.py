"""Fixtures that open stores on folders of their own and close them when the test ends."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.store import Store
from app.store.files.store import JsonFileStore
from app.store.postgres.store import PostgresStore
from tests.store.shop import COLLECTIONS

PATIENCE_S = 60.0

OpenStore = Callable[..., JsonFileStore]
Together = Callable[..., list[Any]]


@pytest.fixture
def quick_sync() -> None:
    """A sync takes its time, during which other transactions join the next one."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder; it does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def open_store(folder: Path) -> Iterator[OpenStore]:
    """A function that opens another JSON store, as another process would, on the same folder."""
    stores = []

    def open_store(**settings: Any) -> JsonFileStore:
        store = JsonFileStore(folder, settings.pop("collections", COLLECTIONS), **settings)
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def open_postgres(postgresql_url: str) -> Iterator[Callable[..., PostgresStore]]:
    """A function that opens another PostgreSQL store, as another process would, on one database."""
    stores = []

    def open_store(**settings: Any) -> PostgresStore:
        collections = settings.pop("collections", COLLECTIONS)
        url = settings.pop("url", postgresql_url)
        store = PostgresStore(url, collections, **settings)
        store._pool.wait(PATIENCE_S)  # opens its first connection in a thread of its own
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture(params=["open_store", "open_postgres"], ids=["files", "postgresql"])
def make_store(request: pytest.FixtureRequest) -> Callable[..., Store]:
    """A function that opens another instance of one store; each back-end adds its fixture above.

    Its one setting is `lock_timeout_s`.
    """
    opened: Callable[..., Store] = request.getfixturevalue(request.param)
    return opened


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    """One instance."""
    return make_store()


@pytest.fixture
def together() -> Together:
    """A function that runs functions in threads of their own and returns what they returned."""

    def run(functions: Iterable[Callable[[], Any]]) -> list[Any]:
        outcomes: dict[int, Any] = {}
        errors: list[BaseException] = []

        def one(place: int, function: Callable[[], Any]) -> None:
            try:
                outcomes[place] = function()
            except BaseException as error:  # noqa: BLE001 - it is raised again below
                errors.append(error)

        threads = [
            threading.Thread(target=one, args=pair, daemon=True) for pair in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "a thread does not end"
        if errors:
            raise errors[0]
        return [outcomes[place] for place in range(len(threads))]

    return run
