"""Connections to PostgreSQL: their settings, their pool, and what their errors mean."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import Diagnostic
from psycopg.generators import send
from psycopg.sql import SQL, Literal
from psycopg_pool import ConnectionPool

from app.kernel.errors import StorageFull, Unavailable
from app.store.observer import Observer

_log = logging.getLogger(__name__)

SCHEMA = "daybook"

STATEMENT_TIMEOUT_S = 30
"""Longest time of one statement, but for a COMMIT that waits for a synchronous standby."""

RESPONSE_TIMEOUT_S = 35.0
"""Longest wait for a response of the server; it bounds that COMMIT, too."""

_STANDBY_WAIT = "SyncRepWaitForLSN"
"""The function of PostgreSQL that waits for a synchronous standby, and warns when it gives up."""

IDLE_TRANSACTION_MAX_S = 60
"""A transaction that sends nothing for so long is ended. One that may write has less time."""

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


class _Pipeline(psycopg.Pipeline):
    """A pipeline whose last message is its Sync.

    psycopg 3.3 ends one with a Sync and a Flush. PostgreSQL starts the time limit of an idle
    transaction at the Sync, stops it for the Flush, and does not start it again.
    """

    def _exit_gen(self) -> PQGen[None]:
        self._enqueue_sync()
        try:
            yield from self._communicate_gen()
        finally:
            yield from send(self.pgconn)  # a socket takes megabytes in parts
            yield from self._fetch_gen(flush=False)


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that is closed where a response takes too long: nothing waits for ever."""

    response_timeout_s: float | None = None
    """The longest wait of the session that has the connection; None for RESPONSE_TIMEOUT_S."""

    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        """See psycopg.Connection.pipeline."""
        self._pipeline = _Pipeline(self)
        with super().pipeline() as pipeline:
            yield pipeline

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """See psycopg.Connection.wait."""
        timeout = timeout or self.response_timeout_s or RESPONSE_TIMEOUT_S
        deadline = monotonic() + timeout
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            if monotonic() >= deadline:
                self.pgconn.finish()
            raise


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
    with translated_errors():
        connection = Connection.connect(**parameters(url))
        configure(connection, lock_timeout_s)
    return connection


class Pool(ConnectionPool[Connection]):
    """A pool whose observer is told how long each connection was waited for."""

    def __init__(self, observer: Observer, **options: Any) -> None:
        self._observer = observer
        super().__init__(**options)

    def getconn(self, timeout: float | None = None) -> Connection:
        """See ConnectionPool.getconn."""
        began = monotonic()
        try:
            return super().getconn(timeout)
        finally:
            self._observer.waited_for_connection(monotonic() - began)


def open_pool(url: str, size: int, lock_timeout_s: float, observer: Observer) -> Pool:
    """Return a pool of up to `size` connections that waits `lock_timeout_s` for a free one."""
    logging.getLogger("psycopg").addFilter(_is_no_skipped_statement)
    return Pool(
        observer,
        connection_class=Connection,
        kwargs=parameters(url),
        min_size=1,
        max_size=size,
        timeout=lock_timeout_s,
        # the pauses between attempts to connect double; a new series begins with a short one
        reconnect_timeout=lock_timeout_s,
        configure=lambda connection: configure(connection, lock_timeout_s),
        open=True,
    )


def _is_no_skipped_statement(record: logging.LogRecord) -> bool:
    """Whether psycopg logs more than that it skips a flight's statements behind one that failed.

    That one raises its error itself, and a conflict is nothing to warn of.
    """
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any(isinstance(each, errors.PipelineAborted) for each in arguments)


def is_unreplicated(notice: Diagnostic) -> bool:
    """Return whether PostgreSQL warns that a transaction was committed here, but on no standby.

    It does so where a COMMIT that waits for a synchronous standby is cancelled or takes too long.
    The message is in the server's language, and the SQLSTATE that of any warning.
    """
    return notice.source_function == _STANDBY_WAIT


def is_lost(error: psycopg.Error) -> bool:
    """Return whether the connection ended, or there was none (SQLSTATE classes 08 and 57P).

    So it is after a transaction that was idle, or took, too long (25P03, 25P04). A COMMIT that no
    standby has confirmed counts as well (08007): its outcome is as open. libpq reports a connection
    that ended without an SQLSTATE, and psycopg then has no class of its own for it.
    """
    lost = psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError
    ended = ("08", "57P", "25P03", "25P04")
    may_be_lost = isinstance(error, lost) or type(error) is psycopg.DatabaseError
    return may_be_lost and (error.sqlstate or "08").startswith(ended)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise what `translated` makes of an error of psycopg."""
    try:
        yield
    except psycopg.Error as error:
        raise translated(error) from error


def translated(error: psycopg.Error) -> Exception:
    """Return the error to raise instead; an error that is a defect of ours stays as it is."""
    if isinstance(error, errors.TransactionResolutionUnknown):
        return Unavailable("No standby of the database confirms what was stored. Try again.")
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
