"""The store on PostgreSQL: transactions, which are repeated after a conflict, and all around them.

Transactions are SERIALIZABLE, so their outcome is that of one after another. PostgreSQL refuses one
whose reads another has overtaken; it is then repeated. After CONCURRENT_ATTEMPTS it runs alone: it
locks `store_turn`, waits for those that run, and has others wait. So every transaction succeeds.
Transactions in turn lock it, too: they wait for each other, and for one that runs alone.
"""

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from time import monotonic

import uuid_utils

from app.kernel.errors import DaybookError, Unavailable
from app.store import ChangeFeed, Collection, Contents, T, Transaction, View
from app.store.observer import NULL_OBSERVER, Observer
from app.store.postgres import connections, ids
from app.store.postgres.change_feeds import POSITION, ChangeFeeds
from app.store.postgres.leases import ALL_LEASED, LEASE_S, Leases
from app.store.postgres.schema import Migration, prepare_tables
from app.store.postgres.session import READ, UNLIMITED_IDLE, Session, query_once
from app.store.postgres.transaction import COUNTERS, PostgresTransaction, PostgresView

CONCURRENT_ATTEMPTS = 3
"""Attempts of a transaction beside others, before the last one alone."""

CHECK_TIMEOUT_S = 1.0
"""How long a check waits for a connection: a load balancer wants an answer within seconds."""

_BEGIN = b"BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
# others wait for the lock of store_turn: a process that hangs loses it as soon as its lease
_END_WHEN_IDLE = f"SET LOCAL idle_in_transaction_session_timeout = '{LEASE_S:g}s'".encode()
_CONCURRENT = b"LOCK TABLE store_turn IN ROW SHARE MODE"
_IN_TURN = b"LOCK TABLE store_turn IN SHARE ROW EXCLUSIVE MODE"
_ALONE = b"LOCK TABLE store_turn IN EXCLUSIVE MODE"
_DRAW = b"SELECT draw_id()"

_ID_HORIZON = b"SELECT id_horizon()"
_BEGIN_SERIES = b"SELECT begin_series(%s, %s)"
_CLAIM_TOKEN = b"""
INSERT INTO store_changes (token, keys) SELECT %s, '[]' FROM pg_logical_emit_message(true, '', '')
ON CONFLICT DO NOTHING RETURNING true
"""
"""Writes to PostgreSQL's log in any case: only a transaction that does waits for a standby."""

_WAIT_FOR_STANDBY = b"""
SELECT pg_logical_emit_message(true, '', '')
WHERE current_setting('synchronous_standby_names') <> ''
"""
_LAST_NUMBERS = b"""
SELECT series, last_number(series) FROM (
    SELECT key AS series FROM counters
    UNION SELECT substr(sequencename::text, length('number_') + 1) FROM pg_sequences
    WHERE schemaname = current_schema AND starts_with(sequencename::text, 'number_')
) AS known WHERE last_number(series) > 0
"""
_LAST_DRAWN = b"SELECT pg_sequence_last_value('store_ids')"
_STANDBY_LAGS = b"""
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)::bigint
FROM pg_stat_replication WHERE flush_lsn IS NOT NULL
"""
"""The position of a standby is NULL for a user who may not read it, and while one is set up."""

_IS_READ_ONLY = b"SELECT current_setting('transaction_read_only')::bool"


class _Conflict(Exception):
    """The transaction was rolled back because of others; it can be repeated."""


class PostgresStore:
    """See app.store.Store. `lock_timeout_s` bounds the wait for a connection, and for each lock."""

    def __init__(
        self,
        url: str,
        collections: Iterable[Collection],
        *,
        lock_timeout_s: float = 5.0,
        pool_size: int = 20,
        observer: Observer = NULL_OBSERVER,
        schema: int = 0,
        migrations: Sequence[Migration] = (),
    ) -> None:
        """Connect, and create or migrate the tables; see `prepare_tables` for the last two.

        Raises Damaged where a newer Daybook made the tables, Unavailable where the database cannot
        be reached.
        """
        self._collections = {each.name: each for each in (*collections, COUNTERS)}
        self._timeout_s = lock_timeout_s
        self._observer = observer
        self._series: set[str] = set()
        self._running = threading.local()

        def connect() -> connections.Connection:
            return connections.connect(url, lock_timeout_s)

        with connections.translated_errors(), connect() as connection:
            prepare_tables(connection, self._collections.values(), schema, migrations)
        self._pool = connections.open_pool(url, pool_size, lock_timeout_s, observer)
        self._feeds = ChangeFeeds(self._pool, connect, self._keys)
        self._leases = Leases(connect)

    @contextmanager
    def read(self) -> Iterator[View]:
        """See Store.read."""
        session = Session(self._pool)
        try:
            yield PostgresView(session, self._collections)
        finally:
            session.close()

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """See Store.contents. Numbers and ids are read behind the snapshot, so none is below it."""
        session = Session(self._pool, (*READ, UNLIMITED_IDLE))
        try:
            ((position,),) = session.query(POSITION)
            numbers: dict[str, int] = dict(session.query(_LAST_NUMBERS))
            ((drawn,),) = session.query(_LAST_DRAWN)
            last_id = "" if drawn is None else ids.lowest_id(drawn + 1)
            view = PostgresView(session, self._collections)
            yield Contents(view, numbers, last_id, position)
        finally:
            session.close()

    def run_in_transaction(self, work: Callable[[Transaction], T], *, in_turn: bool = False) -> T:
        """See Store.run_in_transaction. The last attempt runs alone."""
        if getattr(self._running, "is_inside", False):
            raise Unavailable("A transaction cannot begin within another one.")
        self._running.is_inside = True
        try:
            for _ in range(CONCURRENT_ATTEMPTS):
                with suppress(_Conflict):
                    return self._attempt(_IN_TURN if in_turn else _CONCURRENT, work)
            return self._attempt(_ALONE, work)
        except _Conflict as error:
            raise Unavailable("The database is busy; nothing was changed. Try again.") from error
        finally:
            self._running.is_inside = False

    def change_feed(self, *collections: str) -> ChangeFeed:
        """See Store.change_feed."""
        return self._feeds.open(collections)

    def position(self) -> int:
        """See Store.position."""
        return self._feeds.position()

    def id_horizon(self) -> str:
        """See Store.id_horizon."""
        ((lowest,),) = query_once(self._pool, _ID_HORIZON)
        return ids.lowest_id(lowest)

    def make_durable(self) -> None:
        """See Store.make_durable.

        PostgreSQL shows a change to others once it is on its disk, and on a synchronous standby,
        unless the wait for that was cut short. Then this waits for it, by a commit that is later.
        """
        query_once(self._pool, _WAIT_FOR_STANDBY)

    def refuse_unwritable(self) -> None:
        """See Store.refuse_unwritable."""
        if query_once(self._pool, _IS_READ_ONLY, timeout_s=CHECK_TIMEOUT_S) == [(True,)]:
            raise Unavailable("The database is read-only, as a standby is.")

    def lease_shards(
        self, busy: Set[int] = frozenset(), *, timeout_s: float = 0.0
    ) -> frozenset[int]:
        """See Store.lease_shards."""
        return self._leases.lease(busy, timeout_s)

    def are_shards_leased(self) -> bool:
        """See Store.are_shards_leased."""
        return query_once(self._pool, ALL_LEASED, [LEASE_S], CHECK_TIMEOUT_S) == [(True,)]

    def standby_lags(self) -> list[int]:
        """See Store.standby_lags."""
        return [lag for (lag,) in query_once(self._pool, _STANDBY_LAGS)]

    def close(self) -> None:
        """See Store.close."""
        self._leases.close()
        self._feeds.close()
        self._pool.close()

    def _attempt(self, lock: bytes, work: Callable[[Transaction], T]) -> T:
        """Run the work in a transaction, and commit. Raises _Conflict where it can be repeated.

        An error that PostgreSQL reported to the work counts, whatever the work made of it.
        """
        session = Session(self._pool, (_BEGIN, _END_WHEN_IDLE, lock, _DRAW))
        try:
            tx = PostgresTransaction(session, self._collections, self._begin_series)
            try:
                result = work(tx)
            finally:
                _raise_failure(session)
            self._commit(tx, session)
        finally:
            session.close()
        return result

    def _commit(self, tx: PostgresTransaction, session: Session) -> None:
        """Commit. Raises _Conflict where nothing was changed and it can be repeated.

        After any other error the outcome is looked up: the connection may have been lost, or
        something has failed behind COMMIT.
        """
        token, began = uuid.UUID(str(uuid_utils.uuid7())), monotonic()
        try:
            has_changed = tx.commit(token)
        except (DaybookError, ValueError) as error:
            if isinstance(session.failure, connections.CONFLICTS):
                raise _Conflict from error
            session.close()
            if not self._was_committed(token):
                if session.failure and connections.is_lost(session.failure):
                    raise _Conflict from error
                raise
            has_changed = True
        if has_changed:
            self._observer.committed(monotonic() - began)

    def _was_committed(self, token: uuid.UUID) -> bool:
        """Return the outcome of a transaction whose connection was lost while it committed.

        Claims its token: that waits while it still runs on the server, and has it fail where it is
        still to arrive there. Raises Unavailable where the database does not come back in time.
        """
        deadline = monotonic() + self._timeout_s
        while True:
            try:
                return not query_once(self._pool, _CLAIM_TOKEN, [token])
            except Unavailable as error:
                if monotonic() > deadline:
                    raise Unavailable(
                        "The database failed while it stored this; look whether it was stored "
                        "before you try again."
                    ) from error

    def _begin_series(self, series: str, first: int) -> None:
        if series not in self._series:
            query_once(self._pool, _BEGIN_SERIES, [series, first])
            self._series.add(series)

    def _keys(self, collection: str) -> list[str]:
        with self.read() as view:
            return list(view.keys(collection))


def _raise_failure(session: Session) -> None:
    """Raise the error that PostgreSQL reported, if any."""
    if isinstance(session.failure, connections.CONFLICTS):
        raise _Conflict from session.failure
    if session.failure:
        raise connections.translated(session.failure) from session.failure
