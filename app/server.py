"""The production server: Granian, WSGI, several worker processes with several threads each."""

import errno
import logging
import os
import socket
import sys

from granian.constants import Interfaces
from granian.server import Server

from app.config import Config
from app.errors import Unavailable

STOP_S = 10
"""A worker that has not stopped by then, in seconds, is killed; what it had answered is on disk."""


def address(config: Config) -> str:
    """Where the shop is, for a browser."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{config.port}"


def refuse_unusable(config: Config) -> None:
    """Raise Unavailable when this machine cannot listen on the address that is set."""
    try:
        family, kind, *_, place = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
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


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; a worker that dies is started again."""
    os.environ.pop("FLASK_RUN_FROM_CLI", None)
    # Granian warns of more threads than processors; here most threads wait for the disk, together
    logging.getLogger("_granian").addFilter(lambda record: "quite high" not in record.getMessage())
    # the command has imported it; each worker does so anew, after its fork, and begins to deliver
    sys.modules.pop("wsgi", None)
    Server(
        "wsgi:app",
        # Granian takes addresses, not names
        address=str(socket.getaddrinfo(config.host, config.port)[0][4][0]),
        port=config.port,
        interface=Interfaces.WSGI,
        workers=config.workers,
        blocking_threads=config.threads,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_S,
        websockets=False,
    ).serve()
