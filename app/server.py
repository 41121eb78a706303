"""The production server: Granian, WSGI, several worker processes with several threads each."""

import errno
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from time import sleep
from typing import Any, NoReturn

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.mp import MPServer, WorkerProcess

from app import listening
from app.config import Config
from app.errors import DaybookError, Unavailable
from app.http.arrival import CONNECTIONS
from app.watching import log
from app.watching.sharing import forget, shared_figures

_log = logging.getLogger(__name__)

_ITS_LOG_IS_OURS = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}}
"""In the words of logging.config: what Granian says goes where everything else does."""

REFUSED = 2
"""The exit status of a worker that cannot serve."""

PAUSE_S = 1.0
"""Between two tries to start a worker that could not serve while others do."""

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
        return listening.bind(config.host, config.port, config.workers)
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


def notice_stop(stopping: threading.Event) -> None:
    """Have `stopping` set as soon as a worker is told to stop. Call it in the main thread.

    Granian first waits for all answers that are under way, and a live stream would be one until
    the worker is killed. Its handlers of signals stay: this only listens beside them, and sees to
    it that they run. The system may give a signal to any thread, and Python's handlers wait for
    the main one, which sleeps: about one stop in a hundred went unheard. Another signal wakes it.
    """
    told, telling = socket.socketpair()
    telling.setblocking(False)
    signal.signal(signal.SIGURG, lambda *_: None)
    signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    main = threading.get_ident()

    def listen(_kept_open: socket.socket) -> None:
        while said := told.recv(1):  # a second signal must still find it open
            if said[0] != signal.SIGURG:
                stopping.set()
                signal.pthread_kill(main, signal.SIGURG)

    threading.Thread(target=listen, args=(telling,), name="stop", daemon=True).start()


def run(config: Config, doors: Sequence[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT. A worker that dies is started again.

    Raises Unavailable with what a worker said when none of them could begin to serve. Ends the
    process with 1 when workers end by themselves again and again, which is a defect.
    """
    os.environ.pop("FLASK_RUN_FROM_CLI", None)
    log.begin(config)
    # Granian warns of more threads than processors; here most threads wait for the disk, together
    logging.getLogger("_granian").addFilter(lambda record: "quite high" not in record.getMessage())
    # the command has imported it; each worker does so anew, after its fork, and begins to deliver
    sys.modules.pop("wsgi", None)
    _let_no_stop_be_lost()
    _words.begin()
    server = DaybookServer(
        "wsgi:app",
        doors=doors,
        interface=Interfaces.WSGI,
        workers=config.workers,
        # more than work at once: see app/http/arrival.py
        blocking_threads=config.threads + CONNECTIONS,
        backpressure=CONNECTIONS,
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


class Words:
    """What the workers tell the server, through a pipe that they inherit: one line each time.

    An empty line says that the worker serves, any other one why it cannot.
    """

    def __init__(self) -> None:
        self._reader = self._writer = -1

    def begin(self) -> None:
        """In the server, before there are workers: open the pipe."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    def say(self, line: str) -> bool:
        """In a worker: tell the server; False when there is none that listens."""
        if self._writer < 0:
            return False
        os.write(self._writer, f"{line}\n".encode()[: select.PIPE_BUF])
        return True

    def heard(self) -> list[str]:
        """In the server: the lines that were said since the last time."""
        try:
            return os.read(self._reader, _MANY_BYTES).decode().splitlines()
        except BlockingIOError:
            return []


_MANY_BYTES = 1 << 20
_words = Words()


def serves() -> None:
    """A worker has opened the store, and begins to serve."""
    _words.say("")


def refuse(error: DaybookError) -> NoReturn:
    """End this process, which cannot serve; its server says why, or else it does so itself."""
    if not _words.say(str(error).replace("\n", " ")):
        sys.stderr.write(f"Error: {error}\n")
    sys.exit(REFUSED)


class DaybookServer(MPServer):
    """Granian's server with another mind about workers that die.

    Granian takes a worker that dies within 5.5 s of its start for a defect, and ends, so two kills
    in a row (by the kernel that is short of memory, say) ended the shop. Here only those that end
    by themselves are judged so. And where no worker could begin to serve, there is no use in
    another one; `refusal` is then why.
    """

    def __init__(self, target: str, doors: Sequence[socket.socket], **options: Any) -> None:
        address, port = doors[0].getsockname()[:2]
        super().__init__(target, address=address, port=port, **options)
        self._doors = doors
        self._has_served = False
        self.refusal = ""

    def _respawn_workers(self, workers: list[int], *arguments: Any, **options: Any) -> None:
        codes = {idx: self.wrks[idx].inner.exitcode or 0 for idx in workers}
        said = _words.heard()
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
        somebody_serves = any(each.inner.exitcode is None for each in self.wrks)
        for idx in workers:
            if somebody_serves and self.wrks[idx].inner.exitcode is not None:
                listening.leave(self._doors[idx])
            forget(self.wrks[idx].inner.pid or 0)
        super()._respawn_workers(workers, *arguments, **options)
        for idx, code in codes.items():
            if code < 0 or code == REFUSED:
                self.respawned_wrks.pop(idx, None)

    def _init_shared_socket(self) -> None:
        """Each worker has a socket of its own: see `_spawn_worker`."""
        self._ssp = self._shd = self._sso = None

    def _spawn_worker(  # type: ignore[override]  # as Granian's own servers do
        self, idx: int, target: Any, callback_loader: Any
    ) -> WorkerProcess:
        holder: Any = SocketHolder  # it has no types for what it takes
        self._shd = holder(self._doors[idx].fileno(), False, self.backlog)
        return super()._spawn_worker(idx, target, callback_loader)

    def shutdown(self, exit_code: int = 0) -> None:
        """See Granian. The workers go on until everybody who is connected is with one of them."""
        listening.take_no_more(self._doors)
        for door in self._doors:
            door.close()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]  # (Granian has no types here)

    def _end(self, workers: list[int]) -> None:
        """Have the loop that has called us end the server, with an exit status of 1."""
        self.interrupt_children.extend(workers)
        self.interrupt_signal = True
        self.main_loop_interrupt.set()


def _let_no_stop_be_lost() -> None:
    """Have SIGTERM end a worker from its first moment on.

    A worker is forked with the server's handlers, which do nothing in it until Granian sets others,
    after the store was opened: a stop in between was lost, and the worker killed ten seconds later.
    """
    term = {signal.SIGTERM}

    def begin() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, term)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, term),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, term),
        after_in_child=begin,
    )
