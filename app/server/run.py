"""The production server: Granian with several WSGI worker processes of several threads each.

One more process, the delivery worker, has no socket; app/server/workers.py describes the processes.
"""

import errno
import logging
import multiprocessing
import os
import socket
import sys
from collections.abc import Sequence
from functools import partial
from time import monotonic, sleep
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.mp import MPServer, WorkerProcess

from app.config import Config
from app.http.requests.limiter import MAX_CONNECTIONS
from app.kernel.errors import Unavailable
from app.observability import log
from app.observability.multiprocess import mark_worker_dead, shared_metrics
from app.server import sockets
from app.server.heartbeats import HEARTBEAT_INTERVAL_S, HEARTBEATS_MISSED_MAX, Heartbeats
from app.server.signals import SelfPipe, install_signal_handlers
from app.server.workers import (
    DELIVERY_WORKER,
    EXIT_CANNOT_SERVE,
    STATUS_PIPE,
    STOP_TIMEOUT_S,
    load_in_worker,
    run_delivery_worker,
)
from app.system.os_errors import cause_of, lacks_open_files, unavailable

_log = logging.getLogger(__name__)

_LOG_BY_ROOT = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}}
"""A logging.config dictionary: Granian's log records go to the root logger, as all others do."""

RESTART_PAUSE_S = 1.0
"""Pause before a worker that could not serve is started again, while other workers serve."""

START_POLL_INTERVAL_S = 0.01
"""How often the server checks, while workers start, whether it has to stop."""

MAX_HEAD_BYTES = 64 << 10
"""Limit of a request line with its headers; Granian refuses a longer one before our code runs.

Bytes that arrive with the same read as the limit still count as within it.
"""

MAX_STREAMS = 32
"""Requests that may be under way at once on one HTTP/2 connection."""

ENTRY_POINT = "app.wsgi"
"""The module whose `app` each worker serves."""

PORT_TIMEOUT_S = 3.0
"""How long a start waits for its port: the workers of a server that was killed release it after
three HEARTBEAT_INTERVAL_S at most."""

PORT_POLL_INTERVAL_S = 0.05


def base_url(config: Config) -> str:
    """Return the URL of the shop for a browser on this machine."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{'https' if config.tls_cert else 'http'}://{host}:{config.port}"


def bind(config: Config) -> list[socket.socket]:
    """Return the listening sockets for `run`.

    Waits up to PORT_TIMEOUT_S for a port in use. Raises Unavailable when the address is not free.
    """
    try:
        return _bind_when_free(config)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"Port {config.port} of {config.host} is in use; stop the program that has it, or "
                "set DAYBOOK_PORT to another one."
            ) from None
        if lacks_open_files(error):
            raise unavailable("Nothing can be opened", error) from None
        raise Unavailable(
            f"Nothing can listen on {config.host}, port {config.port} ({error.strerror}); set "
            "DAYBOOK_HOST and DAYBOOK_PORT to an address of this machine."
        ) from None


def _bind_when_free(config: Config) -> list[socket.socket]:
    deadline = 0.0
    while True:
        try:
            return sockets.bind(config.host, config.port, config.workers)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or 0 < deadline < monotonic():
                raise
        if not deadline:
            deadline = monotonic() + PORT_TIMEOUT_S
            _log.warning(
                "port %d of %s is in use; waiting up to %g s, in case a server that was killed is "
                "about to release it",
                config.port,
                config.host,
                PORT_TIMEOUT_S,
            )
        sleep(PORT_POLL_INTERVAL_S)


def run(config: Config, listeners: Sequence[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT, and restart each worker that dies.

    Raises Unavailable with a worker's reason when none of them could start serving. Exits with
    status 1 when workers exit by themselves again and again, which is a defect.
    """
    os.environ.pop("FLASK_RUN_FROM_CLI", None)
    log.configure(config)
    # Granian warns of more threads than processors; here most threads wait for the disk
    logging.getLogger("_granian").addFilter(lambda record: "quite high" not in record.getMessage())
    # the command has imported it; each worker imports it again after its fork
    sys.modules.pop(ENTRY_POINT, None)
    # other start methods (the default of Python 3.14) inherit neither status pipe nor sockets
    multiprocessing.set_start_method("fork", force=True)
    install_signal_handlers()
    STATUS_PIPE.open()
    server = DaybookServer(
        f"{ENTRY_POINT}:app",
        listeners=listeners,
        interface=Interfaces.WSGI,
        workers=config.workers,
        # more than may work at once: see app/http/requests/limiter.py
        blocking_threads=config.threads + MAX_CONNECTIONS,
        backpressure=MAX_CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_TIMEOUT_S,
        # without TLS, Granian reads the protocol from the first bytes, and a stop would cut off
        # clients that have not sent them yet
        http=HTTPModes.auto if config.tls_cert else HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(max_buffer_size=MAX_HEAD_BYTES),
        http2_settings=HTTP2Settings(
            max_headers_size=MAX_HEAD_BYTES, max_concurrent_streams=MAX_STREAMS
        ),
        ssl_cert=config.tls_cert,
        ssl_key=config.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
        log_dictconfig=_LOG_BY_ROOT,
    )
    try:
        with shared_metrics():
            server.serve()
    except SystemExit:
        if server.startup_error:
            raise Unavailable(server.startup_error) from None
        raise


class DaybookServer(MPServer):
    """Granian's server with a socket for each worker, a delivery worker, and other restart rules.

    Granian takes a worker that dies within 5.5 s of its start for a defect and exits, so that two
    kills in a row (by the kernel's OOM killer, say) would end the shop. This server restarts killed
    workers without limit, and counts only those that exit by themselves. It kills a worker that
    hangs. When no worker could start serving, it stops, with the reason in `startup_error`. The
    last worker is the delivery worker.
    """

    def __init__(self, target: str, listeners: Sequence[socket.socket], **options: Any) -> None:
        address, port = listeners[0].getsockname()[:2]
        super().__init__(target, address=address, port=port, **options)
        # has what Granian uses of an Event
        self.main_loop_interrupt: Any = SelfPipe(self._kill_hung_workers, HEARTBEAT_INTERVAL_S)
        self._listeners = listeners
        self._heartbeats = Heartbeats(len(listeners) + 1)
        self._has_served = False
        self.startup_error = ""

    def _respawn_workers(self, workers: list[int], *arguments: Any, **options: Any) -> None:
        """Restart dead workers; see Granian. Stop instead when no worker has ever served."""
        exit_codes = {idx: self.wrks[idx].inner.exitcode or 0 for idx in workers}
        messages = STATUS_PIPE.receive()
        self._has_served = self._has_served or "" in messages
        errors = [message for message in messages if message]
        if errors and not self._has_served:
            self.startup_error = errors[0]
            # the loop that has called this method ends the server, with an exit status of 1
            self.interrupt_children.extend(workers)
            self.interrupt_signal = True
            self.main_loop_interrupt.set()
            return
        for error in errors:
            _log.error("%s", error)
        if errors:
            sleep(RESTART_PAUSE_S)
        alive = [each.inner.exitcode is None for each in self.wrks[:-1]]
        for listener, is_alive in zip(self._listeners, alive, strict=True):
            if any(alive) and not is_alive:
                sockets.stop_listening(listener)
        for idx in workers:
            mark_worker_dead(self.wrks[idx].inner.pid or 0)
        super()._respawn_workers(workers, *arguments, **options)
        for idx, code in exit_codes.items():
            if code < 0 or code == EXIT_CANNOT_SERVE:
                self.respawned_wrks.pop(idx, None)

    def _kill_hung_workers(self) -> None:
        """Kill workers without a heartbeat; they are then restarted as any that was killed."""
        hung = self._heartbeats.check()
        for worker in self.wrks:
            if worker.idx in hung:
                silence_s = HEARTBEATS_MISSED_MAX * HEARTBEAT_INTERVAL_S
                _log.error("worker-%d hangs for %g s: it is replaced", worker.idx + 1, silence_s)
                worker.inner.kill()

    def _init_shared_socket(self) -> None:
        """Share no socket: each worker has its own, see `_spawn_worker`."""
        self._ssp = self._shd = self._sso = None

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        """See Granian. Stop in good order when the system refuses to start another process."""
        try:
            super()._serve_loop(spawn_target, target_loader)
        except OSError as error:
            _log.error("no process can be started (%s): the server stops", cause_of(error))
            self.interrupt_children.append(0)  # makes the exit status 1

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        """See Granian. Start the delivery worker once a request worker serves.

        Until then, opening a large shop keeps every processor busy.
        """
        try:
            super()._spawn_workers(spawn_target, target_loader)
            while not (self.interrupt_signal or self.interrupt_children):
                if STATUS_PIPE.wait(START_POLL_INTERVAL_S):
                    break
            delivery_worker = self._spawn_worker(len(self._listeners), spawn_target, target_loader)
            delivery_worker.start()
        except OSError as error:
            self.shutdown()
            raise unavailable("No process can be started", error) from None
        self.wrks.append(delivery_worker)

    def _spawn_worker(  # type: ignore[override]  # as Granian's own servers do
        self, idx: int, target: Any, callback_loader: Any
    ) -> WorkerProcess:
        beat = partial(self._heartbeats.beat, idx)
        beat()  # a process that is starting is not late
        load = partial(load_in_worker, callback_loader, beat, self._listeners)
        if idx == len(self._listeners):
            arguments = (load, self._listeners)
            delivery_worker = WorkerProcess(self, idx, run_delivery_worker, arguments)
            delivery_worker.inner.name = DELIVERY_WORKER
            return delivery_worker
        holder: Any = SocketHolder  # its stub does not declare its arguments
        self._shd = holder(self._listeners[idx].fileno(), False, self.backlog)
        return super()._spawn_worker(idx, target, load)

    def shutdown(self, exit_code: int = 0) -> None:
        """See Granian. The workers stop only after every queued connection was accepted."""
        for each in self.wrks:
            each.interrupt_by_parent = True  # one that ends now, by a signal to all, is no failure
        sockets.stop_accepting(self._listeners)
        for listener in self._listeners:
            listener.close()
        super().shutdown(exit_code)

    def _stop_workers(self) -> None:
        """Stop the delivery worker last, so that its final checkpoint has every order."""
        self.wrks, delivery_worker = self.wrks[:-1], self.wrks[-1:]
        super()._stop_workers()
        self.wrks = delivery_worker
        super()._stop_workers()
