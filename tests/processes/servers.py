"""Starts real servers: `flask serve` with its workers, in a process group of its own."""

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
"""The deadline of every wait. Two mails for each order, one with a PDF, take the longest."""


def wait_for(what: str, condition: Callable[[], object], patience_s: float = PATIENCE_S) -> float:
    """Wait until the condition holds; return the seconds that it took. Fails after `patience_s`."""
    began = monotonic()
    while not condition():
        assert monotonic() - began < patience_s, f"{what}: not within {patience_s:g} s"
        sleep(0.01)
    return monotonic() - began


class Server:
    """One `flask serve` on the folder `data`, on a free port. The caller starts and kills it."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self._settings = settings
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The output of the server since its last start."""
        return self.data.parent / f"server-{self.port}.log"

    def start(self) -> "Server":
        """Start, or restart on the same port; return when it answers."""
        self.port = self.port or free_port()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "wsgi", "serve", "--sample"],
                cwd=ROOT,
                env=environment(self.data, self.port, **self._settings),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for("the server answers", self.answers)
        return self

    @property
    def pid(self) -> int:
        """The main process, which starts the workers."""
        assert self._process
        return self._process.pid

    def workers(self) -> set[int]:
        """Return the request workers, without the delivery worker."""
        return children(self.pid) - {leader_of(self.data)}

    def stop(self) -> int:
        """Stop with SIGTERM, as an operator does; return the exit code."""
        assert self._process
        self._process.terminate()
        return self._process.wait(PATIENCE_S)

    def kill_main_process(self) -> None:
        """Send SIGKILL to the main process alone; its workers notice it by themselves."""
        assert self._process
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        """Send SIGKILL to the server and all its workers at once; they may have ended already."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE_S)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send one request on a new connection; return status and document. Raises OSError."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            return exchange(connection, method, path, body)
        finally:
            connection.close()

    def answers(self) -> bool:
        """Return whether a worker answers. Fails when the main process has ended."""
        assert self._process
        assert self._process.poll() is None, f"the server ended: {self.log.read_text()}"
        try:
            return self.request("GET", "/order?limit=1")[0] in (200, 401)
        except (OSError, HTTPException):
            return False


def environment(data: Path, port: int, **settings: str) -> dict[str, str]:
    """Return the environment of a server of two workers; no DAYBOOK_ variable is inherited."""
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
    """Send one request on an open connection; return status and document."""
    content = None if body is None else json.dumps(body)
    kind = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, content, kind | (headers or {}))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def kill(pid: int) -> None:
    """Send SIGKILL, and wait until the process has ended: before that it may accept a request."""
    os.kill(pid, signal.SIGKILL)
    wait_for("the process has ended", lambda: has_ended(pid))


def has_ended(pid: int) -> bool:
    """Return whether the process is gone, or a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):  # it can end between open and read
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def has_read(port: int, client: socket.socket) -> bool:
    """Return whether a worker on `port` has accepted this connection and read all that was sent.

    By /proc/net/tcp: a connection in an accept queue has no inode, and unread bytes count as
    rx_queue.
    """
    pair = f"{port:04X}", f"{client.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        _, local, remote, _, queues, _, _, _, _, inode, *_ = line.split()
        if (local.rpartition(":")[2], remote.rpartition(":")[2]) == pair:
            return inode != "0" and int(queues.partition(":")[2], 16) == 0
    return False


def children(pid: int) -> set[int]:
    """Return the child processes that have not ended; a zombie still waits to be replaced."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return {child for child in map(int, path.read_text("ascii").split()) if not has_ended(child)}


def leader_of(data: Path) -> int | None:
    """Return the process that holds leader.lock, from /proc/locks; None when no process does."""
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
    """Return a free port outside the kernel's ephemeral range, so that no client is given it."""
    while True:
        port = SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
