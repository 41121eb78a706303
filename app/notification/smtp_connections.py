"""A pool of SMTP connections: kept for the next mail, and closed when idle.

Opening a connection costs more than a mail; with STARTTLS and a password several times as much.
"""

import smtplib
import threading
import weakref
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

IDLE_MAX_S = 2.0
"""The time that an idle connection is kept; servers allow few connections at a time."""

MAX_MAILS = 50
"""The mails sent over one connection; many servers close or slow down one that sends more."""


class Connection(NamedTuple):
    """A connection that is ready for a mail; it has sent `mails` before."""

    server: smtplib.SMTP
    mails: int = 0

    def close(self) -> None:
        """Quit and close; errors are ignored, since no mail depends on them."""
        with suppress(OSError):  # also what smtplib raises
            self.server.quit()
        self.server.close()


class ConnectionPool:
    """The idle connections to one server. Safe for threads."""

    def __init__(self, idle_max_s: float = IDLE_MAX_S) -> None:
        self._idle_max_s = idle_max_s
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Connection]] = []
        self._timer: threading.Timer | None = None
        weakref.finalize(self, _close_all, self._idle)

    def acquire(self) -> Connection | None:
        """Take an idle connection that still responds; None when there is none.

        Each is tested first, because a server may have closed it without notice.
        """
        while True:
            with self._lock:
                if not self._idle:
                    return None
                _, connection = self._idle.pop()
            with suppress(OSError):
                if connection.server.rset()[0] == 250:
                    return connection
            connection.server.close()

    def release(self, connection: Connection) -> None:
        """Return a connection that has sent a mail, or had it refused, to the pool."""
        if connection.mails + 1 >= MAX_MAILS:
            connection.close()
            return
        with self._lock:
            self._idle.append((monotonic(), connection._replace(mails=connection.mails + 1)))
            self._start_timer()

    def close_idle(self) -> None:
        """Close the connections that have been idle for too long."""
        since = monotonic() - self._idle_max_s
        with self._lock:
            self._timer = None
            expired = [each for at, each in self._idle if at <= since]
            self._idle[:] = [(at, each) for at, each in self._idle if at > since]
            self._start_timer()
        for each in expired:
            each.close()

    def _start_timer(self) -> None:
        """Have close_idle called later, unless it will be. The caller holds the lock."""
        if self._timer is None and self._idle:
            self._timer = threading.Timer(self._idle_max_s, self.close_idle)
            self._timer.daemon = True
            self._timer.start()


def _close_all(idle: list[tuple[float, Connection]]) -> None:
    for _, each in idle:
        each.server.close()
