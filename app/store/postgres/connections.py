"""Connections to PostgreSQL: their settings, their pool, and what their errors mean."""

import logging
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Literal
from psycopg_pool import ConnectionPool

from app.kernel.errors import StorageFull, Unavailable

Connection = psycopg.Connection[tuple[Any, ...]]

_log = logging.getLogger(__name__)

SCHEMA = "daybook"

STATEMENT_TIMEOUT_S = 30
"""Longest time of one statement, a COMMIT that waits for a standby included."""

IDLE_TRANSACTION_MAX_S = 60
"""A transaction that sends nothing for so long is ended, since its locks hold up others."""

CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected)
"""The errors after which a transaction can succeed when it is repeated."""

_DEFAULTS: dict[str, Any] = {
    "application_name": "daybook",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""libpq's parameters where the URL does not set them: a dead peer is noticed within seconds."""


def parameters(url: str) -> dict[str, Any]:
    """Return the parameters of a connection, autocommit included."""
    return _DEFAULTS | conninfo_to_dict(url) | {"autocommit": True}


def configure(connection: Connection, lock_timeout_s: float) -> None:
    """Set what the store relies on; the last two settings keep conflicts rare.

    A sequential scan, and the lock that SERIALIZABLE takes for it, would conflict with every
    writer of the table; so small tables are read by their indexes, too.
    """
    connection.execute(
        SQL(
            "SET search_path = {schema}; SET synchronous_commit = on; "
            "SET statement_timeout = {statement_ms}; SET lock_timeout = {lock_ms}; "
            "SET idle_in_transaction_session_timeout = {idle_ms}; "
            "SET enable_seqscan = off; SET enable_bitmapscan = off"
        ).format(
            schema=Literal(SCHEMA),
            statement_ms=Literal(STATEMENT_TIMEOUT_S * 1000),
            lock_ms=Literal(max(1, round(lock_timeout_s * 1000))),
            idle_ms=Literal(IDLE_TRANSACTION_MAX_S * 1000),
        )
    )


def connect(url: str, lock_timeout_s: float) -> Connection:
    """Return a connection outside the pool. Raises Unavailable."""
    try:
        connection: Connection = psycopg.connect(**parameters(url))
        configure(connection, lock_timeout_s)
    except psycopg.Error as error:
        raise translated(error) from error
    return connection


def open_pool(url: str, size: int, lock_timeout_s: float) -> ConnectionPool[Connection]:
    """Return a pool of up to `size` connections that waits `lock_timeout_s` for a free one."""
    return ConnectionPool(
        "",
        kwargs=parameters(url),
        min_size=1,
        max_size=size,
        timeout=lock_timeout_s,
        configure=lambda connection: configure(connection, lock_timeout_s),
        open=True,
    )


def is_lost(error: psycopg.Error) -> bool:
    """Return whether the connection ended, or there was none (SQLSTATE classes 08 and 57P)."""
    lost = psycopg.OperationalError | psycopg.InterfaceError
    return isinstance(error, lost) and (error.sqlstate or "08").startswith(("08", "57P"))


def translated(error: psycopg.Error) -> Exception:
    """Return the error to raise instead; an error that is a defect of ours stays as it is."""
    if is_lost(error):
        _log.debug("the connection to PostgreSQL failed", exc_info=error)
        return Unavailable("The database cannot be reached. Try again.")
    if isinstance(error, errors.DiskFull):
        return StorageFull("The database has no room left on its disk; nothing was changed.")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return Unavailable("The database is read-only, as a standby is; nothing was changed.")
    if isinstance(error, errors.ProgramLimitExceeded):
        return ValueError("a key, a sort text or an index value is too long for PostgreSQL")
    if isinstance(error, psycopg.OperationalError):  # a time-out, a conflict, a lack of memory
        return Unavailable("The database is busy; nothing was changed. Try again.")
    if isinstance(error, psycopg.DataError):  # a NUL in a text
        return ValueError(f"PostgreSQL cannot store this: {error}")
    return error
