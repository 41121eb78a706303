"""What happens in the processes that the server (app/server/run.py) has started, and what they
tell it.

Those that serve answer requests and do nothing else. One more delivers events and writes the
readable files: whatever that takes, no request shares a Python interpreter with it.
"""

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from multiprocessing import current_process, parent_process
from multiprocessing.util import Finalize
from time import sleep
from typing import NoReturn

from flask import Flask

from app.kernel.errors import DaybookError
from app.observability import log
from app.server.signals import stop_on_sigterm

REFUSED = 2
"""The exit status of a worker that cannot serve."""

DELIVERY_WORKER = "deliverer"
"""The name of the process that delivers, among those of multiprocessing."""

SWITCH_S = 0.0005
"""For so long a thread of the deliverer keeps Python's lock while another one wants it, in seconds.

A checkpoint works for seconds, and deliveries, which ask the system for much, wait each time.
"""

LOOK_S = 1.0
"""So often a worker looks, in seconds, whether its server is there."""

_MANY_BYTES = 1 << 20


class StatusPipe:
    """What the workers tell the server, through a pipe that they inherit: one line each time.

    An empty line says that the worker serves, any other one why it cannot.
    """

    def __init__(self) -> None:
        self._reader = self._writer = -1

    @property
    def has_begun(self) -> bool:
        """Whether there is a server that listens."""
        return self._writer >= 0

    def begin(self) -> None:
        """In the server, before there are workers: open the pipe."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    def say(self, line: str) -> None:
        """In a worker: tell the server."""
        os.write(self._writer, f"{line}\n".encode()[: select.PIPE_BUF])

    def are_said(self, timeout_s: float) -> bool:
        """In the server: whether `heard` has something, now or within so many seconds."""
        return bool(select.select([self._reader], [], [], timeout_s)[0])

    def heard(self) -> list[str]:
        """In the server: the lines that were said since the last time."""
        try:
            return os.read(self._reader, _MANY_BYTES).decode().splitlines()
        except BlockingIOError:
            return []


STATUS_PIPE = StatusPipe()


def delivers() -> bool:
    """Whether this process is to deliver: not when its server has another one for that."""
    return not STATUS_PIPE.has_begun or current_process().name == DELIVERY_WORKER


def begin(app: Flask) -> None:
    """Open the store, and begin what this process is for. Call it in the main thread.

    Raises what opening the store raises.
    """
    runtime = app.extensions["daybook"]
    log.begin(runtime.config).start()
    runtime.start()  # before the first request comes
    # workers are children of multiprocessing, which runs finalizers, but not atexit
    Finalize(None, runtime.close, exitpriority=1)
    Finalize(None, log.LOG.close, exitpriority=0)
    if server := parent_process():
        stop_on_sigterm(runtime.stopping)
        threading.Thread(target=_outlive_nobody, args=(server.pid,), daemon=True).start()


def serves() -> None:
    """A worker has opened the store, and begins to serve."""
    if not delivers():
        STATUS_PIPE.say("")


def refuse(error: DaybookError) -> NoReturn:
    """End this process, which cannot serve; its server says why, or else it does so itself."""
    if STATUS_PIPE.has_begun:
        STATUS_PIPE.say(str(error).replace("\n", " "))
    else:
        sys.stderr.write(f"Error: {error}\n")
    sys.exit(REFUSED)


def deliver(load: Callable[[], Flask], listeners: Iterable[socket.socket]) -> None:
    """All that the deliverer does, until SIGTERM. `load` makes the application, and begins.

    It stops in good order even when it is told so before it has begun: others may have served. The
    server's `doors` are none of its business, and would be open for as long as it has them.
    """
    for listener in listeners:
        listener.close()
    sys.setswitchinterval(SWITCH_S)
    early: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: early.append(number))
    stopping = load().extensions["daybook"].stopping  # from now on set by `stop_on_sigterm`
    if not early:
        stopping.wait()


def _outlive_nobody(server: int) -> None:
    """End this process when its server was killed: its orders would not be delivered any more."""
    while os.getppid() == server:
        sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
