"""A real service with the sample catalogue, and tools that run as programs of their own."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.servers import ROOT, Server

Run = Callable[..., str]

CONTRACT = str(ROOT / "openapi.yaml")
TOOLS = Path(__file__).parent / "node_modules" / ".bin"
PATIENCE_S = 900.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """`flask serve` on a fresh folder, with the sample catalogue and with fault switches."""
    server = Server(tmp_path / "data", FAULTS="on").start()
    yield server
    server.kill()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A function that runs a program to its end, in a folder of its own.

    It returns what the program printed, and fails when the program failed.
    """

    def run(*command: str, **environment: str) -> str:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"NO_COLOR": "1"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
            check=False,
        )
        printed = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{printed}"
        return printed

    return run


def node_tool(name: str) -> str:
    """A program of tests/clients/package.json, which `make deep` installs."""
    assert (TOOLS / name).exists(), "run `make deep`, or: npm install --prefix tests/clients"
    return str(TOOLS / name)
