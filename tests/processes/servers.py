"""Real servers: `flask serve` with its workers, in a process group of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import SystemRandom
from time import monotonic, sleep
from typing import Any

from app.config import PREFIX

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
"""Two mails for an order, one with a PDF, take longer than all else that is done for it."""


def wait_for(what: str, condition: Callable[[], object], patience_s: float = PATIENCE_S) -> float:
    """Return, once the condition holds, after how many seconds that was."""
    began = monotonic()
    while not condition():
        assert monotonic() - began < patience_s, f"{what}: not within {patience_s:g} s"
        sleep(0.01)
    return monotonic() - began


class Server:
    """One `flask serve` on `data`, on a free port. Call `start`; the fixture ends it."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self._settings = settings
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _log(self) -> Path:
        """What the server says, of its last start."""
        return self.data.parent / f"server-{self.port}.log"

    def start(self) -> "Server":
        """Start, or start again on the same port; returns when it answers."""
        self.port = self.port or free_port()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "wsgi", "serve"],
                cwd=ROOT,
                env=environment(self.data, self.port, **self._settings),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for("the server answers", self._answers)
        return self

    @property
    def pid(self) -> int:
        """The server's own process, which starts the workers."""
        assert self._process
        return self._process.pid

    def workers(self) -> set[int]:
        """The processes that serve now, without the one that delivers."""
        return children(self.pid) - {leader_of(self.data)}

    def stop(self) -> int:
        """SIGTERM, as an operator stops it; returns the exit code."""
        assert self._process
        self._process.terminate()
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        """SIGKILL to the server and all its workers at once; harmless when they are gone."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE_S)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request on a connection of its own; returns status and document. Raises OSError."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            return exchange(connection, method, path, body)
        finally:
            connection.close()

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, f"the server ended: {self._log.read_text()}"
        try:
            return self.request("GET", "/order?limit=1")[0] in (200, 401)
        except (OSError, HTTPException):
            return False


def environment(data: Path, port: int, **settings: str) -> dict[str, str]:
    """The variables of a server of two workers; none of DAYBOOK_ is inherited."""
    own = {"DATA": str(data), "PORT": str(port), "WORKERS": "2"} | settings
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    return inherited | {PREFIX + name: value for name, value in own.items()}


def exchange(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """One request on an open connection; returns status and document."""
    content = None if body is None else json.dumps(body)
    kind = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, content, kind | (headers or {}))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def kill(pid: int) -> None:
    """SIGKILL to a process. Returns when it has ended: until then it may still take a request."""
    os.kill(pid, signal.SIGKILL)
    wait_for("it has ended", lambda: _has_ended(pid))


def _has_ended(pid: int) -> bool:
    """Whether it is gone, or was not waited for yet."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def children(pid: int) -> set[int]:
    """The processes that this one has started."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return {int(child) for child in path.read_text("ascii").split()}


def leader_of(data: Path) -> int | None:
    """The process that holds leader.lock, as the kernel tells it; None when nobody does."""
    try:
        inode = (data / "leader.lock").stat().st_ino
    except FileNotFoundError:
        return None
    for line in Path("/proc/locks").read_text("ascii").splitlines():
        fields = line.replace("->", "").split()
        if fields[5].rpartition(":")[2] == str(inode):
            return int(fields[4])
    return None


def free_port() -> int:
    """A port below those that the kernel gives to clients: none takes it before the server does."""
    while True:
        port = SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
