"""Fixtures that start servers and kill them after the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.reconciliation import fill_catalogue
from tests.processes.servers import Server

Serve = Callable[..., Server]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two products."""
    folder = tmp_path / "data"
    fill_catalogue(folder)
    return folder


@pytest.fixture
def serve(data: Path) -> Iterator[Serve]:
    """A function that starts another server on the folder: serve(FAULTS="on")."""
    servers: list[Server] = []

    def start(**settings: str) -> Server:
        server = Server(data, RETRY_WAIT="0.01", **settings)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()
