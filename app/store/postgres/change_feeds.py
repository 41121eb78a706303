"""Change feeds by commit order, and the store's position.

Every transaction that changes documents records their keys in `store_changes`. A reader remembers
the snapshot in which it read last; new are the rows that the present snapshot shows and that one
does not. So a transaction that commits late, after others with higher numbers, is not missed, and
no reader waits for a transaction that is still running. Rows are ordered by `seq`, which each
transaction draws at its end: a change that depends on another comes behind it.

After a crash PostgreSQL may give the id of a transaction again that was rolled back just before,
and which the snapshot counts as ended. It is higher than that of every row, as what was committed
is on disk. So a row with a higher id than any before is new, whatever the snapshot says.

A notification only wakes the reader early. Rows are counted, and removed when they are old, by the
holder of the first shard; a reader that fell behind lists every key.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from itertools import chain
from weakref import WeakSet

import psycopg
from psycopg_pool import ConnectionPool

from app.kernel.errors import DaybookError
from app.store.postgres.connections import Connection
from app.store.postgres.session import NOTIFY, query_once
from app.system.repeated_warning import RepeatedWarning

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 1.0
"""Longest wait of the listener, in case a notification is lost."""

ERROR_PAUSE_S = 0.5
"""Pause of the listener after an error."""

KEPT_S = 600
"""How long changes are kept for readers."""

LISTEN = b"LISTEN daybook"

_SEEN_COLUMNS = b"""
    pg_current_snapshot()::text,
    coalesce((SELECT xid FROM store_changes ORDER BY xid DESC LIMIT 1), %(last)s::xid8)::text
"""
_SEEN = b"SELECT" + _SEEN_COLUMNS

_CHANGES_COLUMNS = b"""
    (SELECT removed >= pg_snapshot_xmin(%(seen)s::pg_snapshot) FROM store_horizon),
    ARRAY(
        SELECT keys FROM store_changes
        WHERE xid >= least(pg_snapshot_xmin(%(seen)s::pg_snapshot), %(last)s::xid8)
        AND (xid > %(last)s::xid8 OR NOT pg_visible_in_snapshot(xid, %(seen)s::pg_snapshot))
        ORDER BY seq
    )
"""
_NEW = b"SELECT" + _CHANGES_COLUMNS + b"," + _SEEN_COLUMNS

POSITION = b"""
SELECT changes + (SELECT count(*) FROM store_changes WHERE xid >= counted) FROM store_horizon
"""

_COUNT = b"""
WITH finished AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS before)
UPDATE store_horizon SET counted = before, changes = changes + (
    SELECT count(*) FROM store_changes WHERE xid >= counted AND xid < before
) FROM finished
WHERE counted < before
AND EXISTS (SELECT FROM store_changes WHERE xid >= counted AND xid < before)
"""

_REMOVE = b"""
WITH old AS (
    DELETE FROM store_changes USING store_horizon
    WHERE at < now() - make_interval(secs => %s) AND xid < counted RETURNING xid
), newest AS (SELECT xid FROM old ORDER BY xid DESC LIMIT 1)
UPDATE store_horizon SET removed = greatest(removed, xid) FROM newest
"""


class PostgresChangeFeed:
    """See app.store.ChangeFeed. It ends when its owner drops the last reference."""

    def __init__(self, catch_up: Callable[[], None]) -> None:
        self._catch_up = catch_up
        self._keys: dict[str, None] = {}
        self._wake = threading.Event()
        self._lock = threading.Lock()

    def take(self, timeout_s: float) -> list[str]:
        """See ChangeFeed.take. Raises Unavailable while the database cannot be reached."""
        self._catch_up()
        self._wake.wait(timeout_s)
        with self._lock:
            self._wake.clear()
            keys, self._keys = self._keys, {}
        return list(keys)

    def wake(self) -> None:
        """See ChangeFeed.wake."""
        self._wake.set()

    def record(self, keys: Iterable[str]) -> None:
        """Record that documents were put or deleted."""
        with self._lock:
            self._keys |= dict.fromkeys(keys)
            self._wake.set()


class ChangeFeeds:
    """All feeds of one store, and the thread that listens for them, once there is a feed."""

    def __init__(
        self,
        pool: ConnectionPool[Connection],
        connect: Callable[[], Connection],
        all_keys: Callable[[str], Iterable[str]],
    ) -> None:
        """`all_keys` returns the keys of a collection, for feeds that fell behind."""
        self._pool = pool
        self._connect = connect
        self._all_keys = all_keys
        self._feeds: defaultdict[str, WeakSet[PostgresChangeFeed]] = defaultdict(WeakSet)
        self._seen, self._last = "", "0"
        """The snapshot of the last read, and the highest transaction id of a row in it."""
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._listener: threading.Thread | None = None

    def open(self, collections: Iterable[str]) -> PostgresChangeFeed:
        """Return a feed of the changes from now on. Raises Unavailable."""
        feed = PostgresChangeFeed(self.catch_up)
        with self._lock:
            self.catch_up()
            for collection in collections:
                self._feeds[collection].add(feed)
            if self._listener is None:
                self._listener = threading.Thread(
                    target=self._listen, name="change-listener", daemon=True
                )
                self._listener.start()
        return feed

    def catch_up(self) -> None:
        """Give every feed what was committed since the last call. Raises Unavailable."""
        with self._lock:
            if not self._seen:
                ((self._seen, self._last),) = query_once(self._pool, _SEEN, {"last": self._last})
                return
            before = {"seen": self._seen, "last": self._last}
            ((fell_behind, changes, seen, last),) = query_once(self._pool, _NEW, before)
            if fell_behind:
                self._record_all()
            for collection, key in chain.from_iterable(changes):
                for feed in self._feeds.get(collection, ()):
                    feed.record([key])
            self._seen, self._last = seen, last

    def position(self) -> int:
        """See Store.position."""
        ((position,),) = query_once(self._pool, POSITION)
        return int(position)

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        if self._listener:
            with suppress(DaybookError):
                query_once(self._pool, NOTIFY)
            self._listener.join()

    def _record_all(self) -> None:
        for collection, feeds in self._feeds.items():
            keys = list(self._all_keys(collection)) if feeds else []
            for feed in feeds:
                feed.record(keys)

    def _listen(self) -> None:
        warning = RepeatedWarning(log)
        while not self._stop.is_set():
            try:
                with closing(self._connect()) as connection:
                    connection.execute(LISTEN)
                    self._follow(connection)
                    warning.clear()
            except (DaybookError, psycopg.Error) as error:
                warning.warn(f"changes cannot be followed: {error}")
                self._stop.wait(ERROR_PAUSE_S)

    def _follow(self, connection: Connection) -> None:
        """Catch up at each notification, and each time that none has come for a while."""
        while not self._stop.is_set():
            self.catch_up()
            for _ in connection.notifies(timeout=POLL_INTERVAL_S, stop_after=1):
                pass


def remove_old_changes(connection: Connection) -> None:
    """Count the changes of finished transactions, and remove old ones.

    The holder of the first shard calls this every second.
    """
    connection.execute(_COUNT)
    connection.execute(_REMOVE, [KEPT_S])
