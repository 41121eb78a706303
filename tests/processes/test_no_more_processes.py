"""Where the system refuses another process, the server says so and ends: all of it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes.servers import (
    PATIENCE_S,
    ROOT,
    children,
    environment,
    free_port,
    kill,
    leader_of,
    wait_for,
)

SERVE = """
import os
import sys

from app.server import run as server
from app.config import from_environment
from app.kernel.errors import Unavailable

fork, left = os.fork, int(sys.argv[1])

def refusing_fork():
    global left
    if not left:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    left -= 1
    return fork()

os.fork = refusing_fork
config = from_environment(os.environ)
try:
    server.run(config, server.bind(config))
except Unavailable as error:
    sys.exit(str(error))
"""

Serve = Callable[[int], "subprocess.Popen[str]"]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """A function that starts a server of two workers, which can fork so many times."""

    def start(forks: int) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", SERVE, str(forks)],
            cwd=ROOT,
            env=environment(tmp_path / "data", free_port()),
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.mark.parametrize("forks", [0, 1, 2])
def test_a_server_that_cannot_start_all_ends(serve: Serve, forks: int) -> None:
    """With those that it had started: standard error is at its end when all have closed it."""
    with serve(forks) as server:
        _, said = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 1
    assert said.endswith("No process can be started: Resource temporarily unavailable.\n")
    assert "Traceback" not in said


def test_a_server_that_cannot_replace_a_worker_ends(serve: Serve, tmp_path: Path) -> None:
    """Whoever watches over it can start it anew."""
    with serve(3) as server:
        wait_for("somebody delivers", lambda: leader_of(tmp_path / "data"))
        kill(min(children(server.pid)))
        _, said = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 1
    assert "no process can be started (Resource temporarily unavailable)" in said
    assert "Traceback" not in said
