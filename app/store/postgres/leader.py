"""Leadership by an advisory lock, which PostgreSQL releases when its connection ends."""

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, sleep

import psycopg

from app.store.postgres.change_feeds import remove_old_changes
from app.store.postgres.connections import Connection, translated
from app.store.postgres.schema import LEADING

POLL_INTERVAL_S = 0.05
"""How often a process that waits to lead tries to."""

CHECK_INTERVAL_S = 1.0
"""How often a leader looks whether it still leads."""

HAS_LEADER = b"""
SELECT EXISTS (
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted
    AND classid = %s AND objid = %s AND objsubid = 2
)
"""


class Leader:
    """Takes the lock on a connection of its own, and keeps both until `close`."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._leads = False
        self._check_at = 0.0

    def lead(self, timeout_s: float) -> bool:
        """See Store.lead. Raises Unavailable while the database cannot be reached."""
        with self._lock:
            if self._leads and monotonic() < self._check_at:
                return True
            self._connection = self._connection or self._connect()
            try:
                self._leads = self._leads or self._acquire(self._connection, timeout_s)
                if self._leads:
                    remove_old_changes(self._connection)
            except psycopg.Error as error:
                self._release()
                raise translated(error) from error
            self._check_at = monotonic() + CHECK_INTERVAL_S
            return self._leads

    def close(self) -> None:
        """Release the lock."""
        with self._lock:
            self._release()

    def _acquire(self, connection: Connection, timeout_s: float) -> bool:
        deadline = monotonic() + timeout_s
        while True:
            row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", LEADING).fetchone()
            if row == (True,) or monotonic() >= deadline:
                return row == (True,)
            sleep(POLL_INTERVAL_S)

    def _release(self) -> None:
        connection, self._connection, self._leads = self._connection, None, False
        if connection:
            with suppress(psycopg.Error):
                connection.close()
