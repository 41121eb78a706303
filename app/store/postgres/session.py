"""One snapshot, and one transaction if it writes, on one connection of the pool.

A *flight* is what is sent together: one round trip, in libpq's pipeline mode.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.errors import Diagnostic
from psycopg_pool import ConnectionPool

from app.store.postgres.connections import (
    CONFLICTS,
    Connection,
    is_lost,
    is_unreplicated,
    translated,
)

Statement = tuple[bytes, Any]
"""A statement and its parameters; None where there are none."""

Rows = list[tuple[Any, ...]]

NOTIFY = b"NOTIFY daybook"
"""Wakes the change feeds of every process."""

READ = (b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",)

UNLIMITED_IDLE = b"SET LOCAL idle_in_transaction_session_timeout = 0"
"""For a transaction that copies everything: it waits for the other side."""


class Session:
    """Takes a connection with the first flight, which also sends the statements `begin`.

    After an error every method but `close` raises it again: whatever the caller made of it, the
    transaction cannot go on. `failure` is the error as PostgreSQL reported it. `timeout_s` bounds
    the wait for a connection, and for each response.
    """

    def __init__(
        self,
        pool: ConnectionPool[Connection],
        begin: Sequence[bytes] = READ,
        timeout_s: float | None = None,
    ) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._begin: list[Statement] = [(each, None) for each in begin]
        self._connection: Connection | None = None
        self._pending: list[Statement] = []
        self.first_rows: list[Rows] = []
        self.failure: psycopg.Error | None = None
        self._is_unreplicated = False

    @property
    def has_begun(self) -> bool:
        """Whether anything was sent."""
        return self._connection is not None

    def send_later(self, statement: Statement) -> None:
        """Send the statement with the next flight, ahead of it."""
        self._pending.append(statement)

    def query(self, sql: bytes, parameters: Any = None) -> Rows:
        """Send one statement and return its rows."""
        return self.flight([(sql, parameters)])[-1]

    def flight(self, statements: Iterable[Statement]) -> list[Rows]:
        """Send the statements and return the rows of each; the first flight may be sent twice.

        Raises Unavailable or StorageFull, and ValueError for a value that cannot be stored. Raises
        Unavailable, too, where something was committed that no standby has confirmed.
        """
        if self.failure:
            raise translated(self.failure)
        sent = [*self._pending, *statements]
        self._pending.clear()
        try:
            if self._connection:
                rows = self._send(self._connection, sent)
            else:
                rows = self._send_first(sent, may_repeat=True)
            if self._is_unreplicated:
                raise errors.TransactionResolutionUnknown
            return rows
        except psycopg.Error as error:
            self.failure = error
            raise translated(error) from error

    def close(self) -> None:
        """Roll back what is not committed, and give the connection back.

        One that met an error, but for a conflict, is closed: no lock of its session may stay.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.remove_notice_handler(self._notice)
        with suppress(psycopg.Error):
            connection.rollback()
        if self.failure and not isinstance(self.failure, CONFLICTS):
            connection.close()
        self._pool.putconn(connection)

    def _send_first(self, statements: list[Statement], *, may_repeat: bool) -> list[Rows]:
        """Send the first flight; once more where the connection was lost before, unnoticed."""
        self._connection = self._pool.getconn(self._timeout_s)
        self._connection.response_timeout_s = self._timeout_s
        self._connection.add_notice_handler(self._notice)
        try:
            rows = self._send(self._connection, [*self._begin, *statements])
        except psycopg.Error as error:
            if not may_repeat or not is_lost(error):
                raise
            lost, self._connection = self._connection, None
            lost.remove_notice_handler(self._notice)
            self._pool.putconn(lost)
            self._pool.check()  # the others of the pool may be lost, too
            return self._send_first(statements, may_repeat=False)
        self.first_rows = rows[: len(self._begin)]
        return rows[len(self._begin) :]

    def _notice(self, notice: Diagnostic) -> None:
        self._is_unreplicated = self._is_unreplicated or is_unreplicated(notice)

    def _send(self, connection: Connection, statements: list[Statement]) -> list[Rows]:
        with connection.pipeline():
            # what follows a COMMIT that fails is skipped, and psycopg would take it for prepared
            cursors = [
                connection.execute(sql, parameters, prepare=None if parameters else False)
                for sql, parameters in statements
            ]
        return [each.fetchall() if each.description else [] for each in cursors]


def query_once(
    pool: ConnectionPool[Connection],
    sql: bytes,
    parameters: Any = None,
    timeout_s: float | None = None,
) -> Rows:
    """Send one statement outside a transaction and return its rows; raises as a session does."""
    session = Session(pool, begin=(), timeout_s=timeout_s)
    try:
        return session.query(sql, parameters)
    finally:
        session.close()
