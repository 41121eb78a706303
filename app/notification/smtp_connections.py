"""SMTP connections between two mails: kept for the next one, and ended when none comes.

Opening one costs more than a mail, with STARTTLS and a password several times as much.
"""

import smtplib
import threading
import weakref
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

IDLE_S = 2.0
"""So long a connection waits for another mail; servers have few places, and others need them."""

MOST_MAILS = 50
"""Many servers end a connection after so many mails, or slow it down."""


class Connection(NamedTuple):
    """A server that knows us and is ready for a mail; it has taken `mails` before."""

    server: smtplib.SMTP
    mails: int = 0

    def end(self) -> None:
        """Say good-bye; what goes wrong now changes nothing about any mail."""
        with suppress(OSError):  # also what smtplib raises
            self.server.quit()
        self.server.close()


class Connections:
    """Those that wait. Safe for threads."""

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, Connection]] = []
        self._watch: threading.Timer | None = None
        weakref.finalize(self, _close_all, self._waiting)

    def take(self) -> Connection | None:
        """One that still answers, or None: a server may have ended it without a word."""
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                _, connection = self._waiting.pop()
            with suppress(OSError):
                if connection.server.rset()[0] == 250:
                    return connection
            connection.server.close()

    def keep(self, connection: Connection) -> None:
        """Have one that took a mail, or refused it, wait for the next."""
        if connection.mails + 1 >= MOST_MAILS:
            connection.end()
            return
        with self._lock:
            self._waiting.append((monotonic(), connection._replace(mails=connection.mails + 1)))
            self._look_later()

    def _look_later(self) -> None:
        """The caller holds the lock."""
        if self._watch is None and self._waiting:
            self._watch = threading.Timer(self._idle_s, _look, (weakref.ref(self),))
            self._watch.daemon = True
            self._watch.start()

    def end_idle(self) -> None:
        """End those for which no mail came."""
        since = monotonic() - self._idle_s
        with self._lock:
            self._watch = None
            idle = [each for at, each in self._waiting if at <= since]
            self._waiting[:] = [(at, each) for at, each in self._waiting if at > since]
            self._look_later()
        for each in idle:
            each.end()


def _look(connections: "weakref.ref[Connections]") -> None:
    if found := connections():
        found.end_idle()


def _close_all(waiting: list[tuple[float, Connection]]) -> None:
    for _, each in waiting:
        each.server.close()
