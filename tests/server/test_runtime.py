"""What a process opens for the shop, and closes again."""

import gc
from collections.abc import Callable
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from app.server.runtime import Runtime
from tests.over_http import place


def test_a_closed_store_can_be_collected(app: Flask) -> None:
    """While it is open, the garbage collector leaves out what the store keeps in memory."""
    runtime: Runtime = app.extensions["daybook"]
    runtime.start()
    assert gc.get_freeze_count() > 0
    runtime.close()
    assert gc.get_freeze_count() == 0


def test_a_closed_application_holds_no_database_of_the_gateway(
    client: FlaskClient, catalogue: dict[str, str], runtime: Runtime, settled: Callable[[], None]
) -> None:
    """The payment gateway closes its database with the application, not when it is collected."""
    place(client, tea=1)
    settled()
    database = runtime.data_folder / "gateway/account.sqlite"
    assert database in open_files()
    runtime.close()
    assert database not in open_files()


def open_files() -> set[Path]:
    return {each.resolve() for each in Path("/proc/self/fd").iterdir()}
