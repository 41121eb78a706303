"""The production server: Granian, WSGI, several worker processes with several threads each."""

import os

from granian.constants import Interfaces
from granian.server import Server

from app.config import Config


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; a worker that dies is started again."""
    os.environ.pop("FLASK_RUN_FROM_CLI", None)
    Server(
        "wsgi:app",
        address=config.host,
        port=config.port,
        interface=Interfaces.WSGI,
        workers=config.workers,
        blocking_threads=config.threads,
        respawn_failed_workers=True,
        websockets=False,
    ).serve()
