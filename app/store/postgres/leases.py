"""Leases of shards: each process that delivers events, on any machine, holds its share of them.

Each has a row with a number, its *beat*, which it raises every second. One whose beat has stood for
LEASE_S is taken for dead, and the others share what it held. Each process measures that by its own
clock, from the moment at which it saw the beat; its own lease it ends LEASE_S after it began to
raise its beat, which is earlier. So the clocks need not agree, neither those of machines nor that
of a standby that takes over. (Burrows: The Chubby lock service, 2006; the DynamoDB lock client and
the Kinesis Client Library watch a counter in the same way.)
"""

import threading
from collections.abc import Callable, Set
from contextlib import suppress
from math import ceil
from time import CLOCK_BOOTTIME, clock_gettime, sleep
from uuid import uuid4

import psycopg

from app.store import SHARDS
from app.store.postgres.change_feeds import remove_old_changes
from app.store.postgres.connections import Connection, translated
from app.store.postgres.schema import LEASING

LEASE_S = 5.0
"""How long a lease lasts after its renewal began."""

RENEWAL_INTERVAL_S = 1.0
"""How often a process renews its lease, or looks for free shards."""

IDLE_MAX_S = 2
"""A process that hangs while it divides the shards holds up all others for so long."""

ALL_LEASED = b"""
SELECT NOT EXISTS (
    SELECT FROM store_shards LEFT JOIN store_workers USING (worker)
    WHERE at IS NULL OR at < clock_timestamp() - make_interval(secs => %s)
)
"""
"""Whether every shard has an owner that lives, by the clock of the database."""

_BEAT = """
INSERT INTO store_workers (worker, beat) VALUES (%s, %s)
ON CONFLICT (worker) DO UPDATE SET beat = excluded.beat, at = DEFAULT
"""

_END_WHEN_IDLE = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_MAX_S}s'"


def seconds_since_boot() -> float:
    """The time since the machine started, with the time in which it slept (monotonic has none)."""
    return clock_gettime(CLOCK_BOOTTIME)


class Leases:
    """The leases of one process, on a connection of its own."""

    def __init__(
        self, connect: Callable[[], Connection], clock: Callable[[], float] = seconds_since_boot
    ) -> None:
        """`clock` returns seconds; it must not be set, nor stop while the machine sleeps."""
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._worker = str(uuid4())
        self._connection: Connection | None = None
        self._beat = 0
        """Counted here: a row that was deleted and comes again shows no beat a second time."""
        self._held: frozenset[int] = frozenset()
        self._has_excess = False
        """Whether it holds more than its share, because they are busy."""
        self._renew_at = self._ends_at = 0.0
        self._beats: dict[str, tuple[int, float]] = {}
        """The last beat of each other process, and when it was first seen."""

    def lease(self, busy: Set[int], timeout_s: float) -> frozenset[int]:
        """See Store.lease_shards. Raises Unavailable while the database cannot be reached."""
        deadline = self._clock() + timeout_s
        with self._lock:
            while True:
                if self._clock() >= self._renew_at or (self._has_excess and self._held - busy):
                    self._renew(busy)
                now = self._clock()
                if now >= self._ends_at:
                    self._held = frozenset()
                if self._held or now >= deadline:
                    return self._held
                sleep(max(0.0, min(self._renew_at, deadline) - now))

    def close(self) -> None:
        """Release all shards."""
        with self._lock:
            if self._connection:
                with suppress(psycopg.Error):
                    self._remove(self._connection, {self._worker})
            self._disconnect()

    def _renew(self, busy: Set[int]) -> None:
        began = self._clock()
        self._connection = self._connection or self._connect()
        try:
            with self._connection.transaction():
                held = self._share(self._connection, busy)
            if 0 in held:
                remove_old_changes(self._connection)
        except psycopg.Error as error:
            self._disconnect()
            raise translated(error) from error
        self._held = held
        self._renew_at, self._ends_at = began + RENEWAL_INTERVAL_S, began + LEASE_S

    def _share(self, connection: Connection, busy: Set[int]) -> frozenset[int]:
        """Raise the beat, and acquire or release shards; returns those held. One process at a time.

        A busy shard is kept, though others have less.
        """
        connection.execute(_END_WHEN_IDLE)
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", LEASING)
        self._beat += 1
        connection.execute(_BEAT, [self._worker, self._beat])
        workers = dict(connection.execute("SELECT worker, beat FROM store_workers").fetchall())
        del workers[self._worker]
        self._remove(connection, self._dead(workers))
        owners = dict(connection.execute("SELECT shard, worker FROM store_shards").fetchall())
        held = {shard for shard, owner in owners.items() if owner == self._worker}
        free = [shard for shard, owner in owners.items() if owner is None]
        share = ceil(SHARDS / (1 + len(self._beats)))
        acquired = free[: max(0, share - len(held))]
        released = sorted(held - busy)[: max(0, len(held) - share)]
        for owner, shards in ((self._worker, acquired), (None, released)):
            if shards:
                connection.execute(
                    "UPDATE store_shards SET worker = %s WHERE shard = ANY(%s)", [owner, shards]
                )
        self._has_excess = len(held) - len(released) > share
        return frozenset(held.union(acquired).difference(released))

    def _dead(self, beats: dict[str, int]) -> set[str]:
        """Note the beats of the other processes, and return those that have stood for too long."""
        now = self._clock()
        for worker, beat in beats.items():
            if self._beats.get(worker, (None,))[0] != beat:
                self._beats[worker] = beat, now
        dead = {each for each in beats if now - self._beats[each][1] > LEASE_S}
        self._beats = {each: self._beats[each] for each in beats.keys() - dead}
        return dead

    def _remove(self, connection: Connection, workers: set[str]) -> None:
        """Remove processes; what they held is free."""
        if workers:
            connection.execute("DELETE FROM store_workers WHERE worker = ANY(%s)", [[*workers]])

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                connection.close()
