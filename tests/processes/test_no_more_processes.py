"""When the system refuses to start a process, the server reports it and ends with all workers."""

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

pytestmark = pytest.mark.deep

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
    """A function that starts a server of two workers whose fork fails after some calls."""

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
def test_a_server_that_cannot_start_all_workers_ends(serve: Serve, forks: int) -> None:
    """Started workers end, too: standard error closes when its last holder has ended."""
    with serve(forks) as server:
        _, stderr = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 1
    assert stderr.endswith("No process can be started: Resource temporarily unavailable.\n")
    assert "Traceback" not in stderr


def test_a_server_that_cannot_replace_a_worker_ends(serve: Serve, tmp_path: Path) -> None:
    """A process supervisor can start it again."""
    with serve(3) as server:
        wait_for("a process delivers", lambda: leader_of(tmp_path / "data"))
        kill(min(children(server.pid)))
        _, stderr = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 1
    assert "no process can be started (Resource temporarily unavailable)" in stderr
    assert "Traceback" not in stderr
