"""The production server: Granian, WSGI, several worker processes with several threads each.

One process more has no socket: it delivers (app/server/workers.py tells what the processes do).
"""

import errno
import logging
import multiprocessing
import os
import socket
import sys
from collections.abc import Sequence
from time import sleep
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.mp import MPServer, WorkerProcess

from app.config import Config
from app.http.requests.limiter import MAX_CONNECTIONS
from app.kernel.errors import Unavailable
from app.observability import log
from app.observability.multiprocess import forget, shared_figures
from app.server import sockets
from app.server.signals import SelfPipe, install_signal_handlers
from app.server.workers import DELIVERY_WORKER, REFUSED, STATUS_PIPE, deliver

_log = logging.getLogger(__name__)

_ITS_LOG_IS_OURS = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}}
"""In the words of logging.config: what Granian says goes where everything else does."""

PAUSE_S = 1.0
"""Between two tries to start a worker that could not serve while others do."""

LOOK_S = 0.01
"""So often a server that starts looks whether it shall stop."""

MAX_HEAD_BYTES = 64 << 10
"""A request line with its headers that is not at its end by then is refused, before any of our code
sees it. What came with the same read still counts."""

STREAMS = 32
"""Requests that one connection of HTTP/2 may have under way at once."""

STOP_S = 10
"""A worker that has not stopped by then, in seconds, is killed; what it had answered is on disk."""


def address(config: Config) -> str:
    """Where the shop is, for a browser."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{'https' if config.tls_cert else 'http'}://{host}:{config.port}"


def bind(config: Config) -> list[socket.socket]:
    """The sockets that `run` serves. Raises Unavailable when the address cannot be had."""
    try:
        return sockets.bind(config.host, config.port, config.workers)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"Port {config.port} of {config.host} is in use; stop the program that has it, or "
                "set DAYBOOK_PORT to another one."
            ) from None
        raise Unavailable(
            f"Nothing can listen on {config.host}, port {config.port} ({error.strerror}); set "
            "DAYBOOK_HOST and DAYBOOK_PORT to an address of this machine."
        ) from None


def run(config: Config, listeners: Sequence[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT. A worker that dies is started again.

    Raises Unavailable with what a worker said when none of them could begin to serve. Ends the
    process with 1 when workers end by themselves again and again, which is a defect.
    """
    os.environ.pop("FLASK_RUN_FROM_CLI", None)
    log.begin(config)
    # Granian warns of more threads than processors; here most threads wait for the disk, together
    logging.getLogger("_granian").addFilter(lambda record: "quite high" not in record.getMessage())
    # the command has imported it; each worker does so anew, after its fork
    sys.modules.pop("wsgi", None)
    # other ways to start a process, such as that of Python 3.14, hand on neither words nor doors
    multiprocessing.set_start_method("fork", force=True)
    install_signal_handlers()
    STATUS_PIPE.begin()
    server = DaybookServer(
        "wsgi:app",
        listeners=listeners,
        interface=Interfaces.WSGI,
        workers=config.workers,
        # more than work at once: see app/http/requests/limiter.py
        blocking_threads=config.threads + MAX_CONNECTIONS,
        backpressure=MAX_CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_S,
        # to tell HTTP/2 from 1.1 without TLS, Granian waits for the first bytes, and a stop would
        # cut off who has not sent them yet
        http=HTTPModes.auto if config.tls_cert else HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(max_buffer_size=MAX_HEAD_BYTES),
        http2_settings=HTTP2Settings(
            max_headers_size=MAX_HEAD_BYTES, max_concurrent_streams=STREAMS
        ),
        ssl_cert=config.tls_cert,
        ssl_key=config.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
        log_dictconfig=_ITS_LOG_IS_OURS,
    )
    try:
        with shared_figures():
            server.serve()
    except SystemExit:
        if server.refusal:
            raise Unavailable(server.refusal) from None
        raise


class DaybookServer(MPServer):
    """Granian's server with another mind about workers that die.

    Granian takes a worker that dies within 5.5 s of its start for a defect, and ends, so two kills
    in a row (by the kernel that is short of memory, say) ended the shop. Here only those that end
    by themselves are judged so. And where no worker could begin to serve, there is no use in
    another one; `refusal` is then why. The last of the workers delivers.
    """

    def __init__(self, target: str, listeners: Sequence[socket.socket], **options: Any) -> None:
        address, port = listeners[0].getsockname()[:2]
        super().__init__(target, address=address, port=port, **options)
        self.main_loop_interrupt: Any = SelfPipe()  # all that Granian uses of an Event
        self._listeners = listeners
        self._has_served = False
        self.refusal = ""

    def _respawn_workers(self, workers: list[int], *arguments: Any, **options: Any) -> None:
        codes = {idx: self.wrks[idx].inner.exitcode or 0 for idx in workers}
        said = STATUS_PIPE.heard()
        self._has_served = self._has_served or "" in said
        refusals = [line for line in said if line]
        if refusals and not self._has_served:
            self.refusal = refusals[0]
            self._end(workers)
            return
        for line in refusals:
            _log.error("%s", line)
        if refusals:
            sleep(PAUSE_S)
        served = [each.inner.exitcode is None for each in self.wrks[:-1]]
        for listener, is_served in zip(self._listeners, served, strict=True):
            if any(served) and not is_served:
                sockets.leave(listener)
        for idx in workers:
            forget(self.wrks[idx].inner.pid or 0)
        super()._respawn_workers(workers, *arguments, **options)
        for idx, code in codes.items():
            if code < 0 or code == REFUSED:
                self.respawned_wrks.pop(idx, None)

    def _init_shared_socket(self) -> None:
        """Each worker has a socket of its own: see `_spawn_worker`."""
        self._ssp = self._shd = self._sso = None

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        """See Granian. When the system refuses another process, the server ends in good order."""
        try:
            super()._serve_loop(spawn_target, target_loader)
        except OSError as error:
            _log.error("no process can be started (%s): the server ends", error.strerror)
            self.interrupt_children.append(0)  # by which its exit status is 1

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        try:
            self._spawn_all(spawn_target, target_loader)
        except OSError as error:
            self.shutdown()
            raise Unavailable(f"No process can be started: {error.strerror}.") from None

    def _spawn_all(self, spawn_target: Any, target_loader: Any) -> None:
        super()._spawn_workers(spawn_target, target_loader)
        # clerks first: until a worker serves, opening a large shop keeps every processor busy
        while not (
            self.interrupt_signal or self.interrupt_children or STATUS_PIPE.are_said(LOOK_S)
        ):
            pass
        delivery_worker = self._spawn_worker(len(self._listeners), spawn_target, target_loader)
        delivery_worker.start()
        self.wrks.append(delivery_worker)

    def _spawn_worker(  # type: ignore[override]  # as Granian's own servers do
        self, idx: int, target: Any, callback_loader: Any
    ) -> WorkerProcess:
        if idx == len(self._listeners):
            delivery_worker = WorkerProcess(self, idx, deliver, (callback_loader, self._listeners))
            delivery_worker.inner.name = DELIVERY_WORKER
            return delivery_worker
        holder: Any = SocketHolder  # its stub does not say what it takes
        self._shd = holder(self._listeners[idx].fileno(), False, self.backlog)
        return super()._spawn_worker(idx, target, callback_loader)

    def shutdown(self, exit_code: int = 0) -> None:
        """See Granian. The workers go on until everybody who is connected is with one of them."""
        for each in self.wrks:
            each.interrupt_by_parent = True  # who ends now, by a signal to all, does so rightly
        sockets.take_no_more(self._listeners)
        for listener in self._listeners:
            listener.close()
        super().shutdown(exit_code)

    def _stop_workers(self) -> None:
        """Who delivers stops last: it writes the readable files, which then have every order."""
        self.wrks, last = self.wrks[:-1], self.wrks[-1:]
        super()._stop_workers()
        self.wrks = last
        super()._stop_workers()

    def _end(self, workers: list[int]) -> None:
        """Have the loop that has called us end the server, with an exit status of 1."""
        self.interrupt_children.extend(workers)
        self.interrupt_signal = True
        self.main_loop_interrupt.set()
