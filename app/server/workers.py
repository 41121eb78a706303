"""The worker processes that the server (app/server/run.py) forks, and their status messages.

Request workers only answer requests. One more process, the delivery worker, delivers events and
writes the readable files, so that this work shares no Python interpreter with requests.
"""

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import current_process, parent_process
from multiprocessing.util import Finalize
from time import sleep
from typing import NoReturn

from flask import Flask

from app.kernel.errors import DaybookError
from app.observability import log
from app.server import sockets
from app.server.heartbeats import HEARTBEAT_INTERVAL_S
from app.server.signals import stop_on_sigterm

EXIT_CANNOT_SERVE = 2
"""The exit status of a worker that cannot serve."""

DELIVERY_WORKER = "delivery-worker"
"""The name of the delivery worker's process, as multiprocessing knows it."""

SWITCH_INTERVAL_S = 0.0005
"""How long a thread of the delivery worker keeps the interpreter lock while another one waits.

A checkpoint computes for seconds, and each system call of a delivery would wait for it.
"""

STOP_TIMEOUT_S = 10
"""A worker that has not stopped by then is killed; what it has acknowledged is on disk."""

_READ_BYTES = 1 << 20


class StatusPipe:
    """A pipe by which workers report the result of their start to the server, one line a message.

    An empty line says that the worker serves; any other line is the reason why it cannot.
    """

    def __init__(self) -> None:
        self._reader = self._writer = -1

    @property
    def is_open(self) -> bool:
        """Whether a server process reads the pipe."""
        return self._writer >= 0

    def open(self) -> None:
        """Open the pipe; the server calls it before it forks workers."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    def send(self, line: str) -> None:
        """Send one line from a worker to the server, cut to PIPE_BUF bytes to stay atomic."""
        os.write(self._writer, f"{line}\n".encode()[: select.PIPE_BUF])

    def wait(self, timeout_s: float) -> bool:
        """Return whether the server has lines to receive, now or within `timeout_s`."""
        return bool(select.select([self._reader], [], [], timeout_s)[0])

    def receive(self) -> list[str]:
        """Return the lines that were sent since the last call; never blocks."""
        try:
            return os.read(self._reader, _READ_BYTES).decode().splitlines()
        except BlockingIOError:
            return []


STATUS_PIPE = StatusPipe()


def delivers() -> bool:
    """Return whether this process delivers events: the delivery worker, or a lone process."""
    return not STATUS_PIPE.is_open or current_process().name == DELIVERY_WORKER


def start_worker(app: Flask) -> None:
    """Open the store and start the background tasks of this process, in its main thread.

    Raises what opening the store raises.
    """
    runtime = app.extensions["daybook"]
    log.configure(runtime.config).start()
    runtime.start()  # before the first request arrives
    # workers are children of multiprocessing, which runs finalizers, but not atexit
    Finalize(None, runtime.close, exitpriority=1)
    Finalize(None, log.LOG.close, exitpriority=0)
    if parent_process():
        stop_on_sigterm(runtime.stopping)
        if not STATUS_PIPE.is_open:  # another program's server: ours uses `load_in_worker`
            exit_with_parent()


def report_serving() -> None:
    """Report to the server that this request worker has opened the store and serves."""
    if not delivers():
        STATUS_PIPE.send("")


def exit_with_error(error: DaybookError) -> NoReturn:
    """Exit because this process cannot serve; the reason goes to the server, or to stderr."""
    if STATUS_PIPE.is_open:
        STATUS_PIPE.send(str(error).replace("\n", " "))
    else:
        sys.stderr.write(f"Error: {error}\n")
    sys.exit(EXIT_CANNOT_SERVE)


def load_in_worker(
    load: Callable[[], Flask], beat: Callable[[], None], listeners: Sequence[socket.socket]
) -> Flask:
    """Return what `load` returns, in a new worker process that reports heartbeats by `beat`.

    When the server is killed, the worker exits, and all of the server's `listeners` stop listening,
    so that the next server can have the port while this one's workers still answer.
    """
    exit_with_parent(beat, listeners)
    return load()


def run_delivery_worker(load: Callable[[], Flask], listeners: Sequence[socket.socket]) -> None:
    """Run the delivery worker until SIGTERM. `load` creates the application and starts it.

    It stops in good order also when SIGTERM arrives during the start, because request workers may
    have accepted orders meanwhile. It closes the inherited `listeners`, which would otherwise
    accept connections for as long as it lives.
    """
    for listener in listeners:
        listener.close()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    early: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: early.append(number))
    stopping = load().extensions["daybook"].stopping  # from now on set by `stop_on_sigterm`
    if not early:
        stopping.wait()


def exit_with_parent(
    beat: Callable[[], None] = lambda: None, listeners: Sequence[socket.socket] = ()
) -> None:
    """Start a thread that calls `beat`, and ends this process when its server was killed.

    No process would deliver the events of the orders that it takes.
    """
    server = parent_process()
    watch = partial(_exit_after, server.pid if server else None, beat, listeners)
    threading.Thread(target=watch, name="heartbeat", daemon=True).start()


def _exit_after(
    server_pid: int | None, beat: Callable[[], None], listeners: Sequence[socket.socket]
) -> None:
    while os.getppid() == server_pid:
        beat()
        sleep(HEARTBEAT_INTERVAL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    # by then every worker has noticed it and accepts nothing more; one that did would take each
    # failure to accept for a client's, try again without end, and not see the SIGTERM
    sleep(2 * HEARTBEAT_INTERVAL_S)
    for listener in listeners:
        sockets.stop_listening(listener)
    sleep(STOP_TIMEOUT_S)
    os.kill(os.getpid(), signal.SIGKILL)
