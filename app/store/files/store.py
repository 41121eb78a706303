"""The store that keeps JSON files: locks, transactions, and catching up with other processes.

Locks are always acquired in this order:

    commit lock (threads) → store.lock (processes) → memory lock (readers and feeds)

A writer holds all three, appends its line, applies it to memory, releases them, and only then waits
for the disk: one fdatasync serves every line that was appended before it began (group commit, over
threads and over processes). Writers of one process that arrive together share one line
(group_commit.py). A reader takes the memory lock alone, so writers that wait never block reads. A
reader may therefore see a change shortly before it is durable; code that acts on what it read
outside the store calls `make_durable` first.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

from app.kernel.errors import DaybookError, Unavailable
from app.store import ALL_SHARDS, ChangeFeed, Collection, Contents, T, Transaction, View
from app.store.copying import scan_pages
from app.store.files.disk.filesystem import (
    PROBE_BYTES,
    refuse_read_only,
    translating_os_errors,
    write_probe,
)
from app.store.files.disk.locks import LeaderLock, ProcessLock
from app.store.files.folder.open import initialise, prepare_folder
from app.store.files.group_commit import BATCH_MAX_OPEN_S, Batch, CommitLock
from app.store.files.memory.change_feeds import ChangeFeeds, JsonChangeFeed
from app.store.files.memory.transaction import COUNTERS, LAST_ID, JsonTransaction, JsonView
from app.store.files.replica import Replica, open_replica
from app.store.files.wal.log import LogTruncated
from app.store.observer import NULL_OBSERVER, Observer

CHECK_TIMEOUT_S = 0.3
"""How long `refuse_unwritable` waits for each lock: a load balancer wants an answer in a second."""

ID_HORIZON = "g"
"""Greater than every id, which has hexadecimal digits."""


class JsonFileStore:
    """See app.store.Store. `lock_timeout_s` bounds the wait for other writers."""

    def __init__(
        self,
        folder: Path,
        collections: Iterable[Collection],
        *,
        lock_timeout_s: float = 5.0,
        observer: Observer = NULL_OBSERVER,
        schema: int = 0,
    ) -> None:
        """Open the folder, creating what is missing; a new one has documents of version `schema`.

        Raises Damaged when a file is not what the store wrote (the message says which and what to
        do), Invalid when a file without a record breaks the rules, Unavailable when the folder
        cannot be used.
        """
        self.folder = folder
        self.declared = (*collections, COUNTERS)
        self.observer = observer
        self._timeout_s = lock_timeout_s
        self._commit_lock = CommitLock()
        self._process_lock = ProcessLock(folder / "store.lock")
        self._memory_lock = threading.RLock()
        self._batch: Batch | None = None
        self._has_failed = False
        self._leader_lock = LeaderLock(folder / "leader.lock")
        self._feeds = ChangeFeeds()
        prepare_folder(folder)
        self._acquire_process_lock(lock_timeout_s)
        try:
            initialise(folder, self.declared, schema)
        finally:
            self._process_lock.release()
        self.replica = self._open_replica()
        try:
            with self.exclusive_write():
                if self.replica.unrecorded:
                    self.replica.rotate(self.replica.file_records())
            self.make_durable()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[View]:
        """See Store.read."""
        with self._memory_lock:
            self.catch_up()
            yield JsonView(self.replica.tables)

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """See Store.contents."""
        with self.read() as view:
            pages = scan_pages(view, COUNTERS.name)
            values = {each["name"]: each["value"] for page in pages for each in page}
            last_id = values.pop(LAST_ID, "")
            yield Contents(view, values, last_id, self.replica.wal.seq)

    def run_in_transaction(self, work: Callable[[Transaction], T], *, in_turn: bool = False) -> T:
        """See Store.run_in_transaction; here one runs at a time over all processes, and once."""
        batch = self._join_batch()
        try:
            with batch.transaction.savepoint():
                result = work(batch.transaction)
        finally:
            ended = monotonic()
            self._leave_batch(batch)
        try:
            batch.wait()
        except DaybookError:
            self._has_failed = True
            raise
        self._has_failed = False
        self.observer.committed(monotonic() - ended)
        return result

    def change_feed(self, *collections: str) -> ChangeFeed:
        """See Store.change_feed."""
        feed = JsonChangeFeed(self.catch_up, self._memory_lock)
        with self._memory_lock:
            self.catch_up()
            for collection in collections:
                self._feeds.add(collection, feed)
        return feed

    def position(self) -> int:
        """See Store.position."""
        with self._memory_lock:
            self.catch_up()
            return self.replica.wal.seq

    def id_horizon(self) -> str:
        """See Store.id_horizon. Ids become visible in the order in which they are issued."""
        return ID_HORIZON

    def make_durable(self) -> None:
        """See Store.make_durable."""
        wal = self.replica.wal
        seq = wal.seq
        if wal.durable < seq and not wal.segment.trusted:
            with self.exclusive_write():  # which makes the segment trusted
                wal = self.replica.wal
        wal.sync(seq)

    def refuse_unwritable(self) -> None:
        """See Store.refuse_unwritable."""
        with self._memory_lock:
            self.replica.refuse_full(PROBE_BYTES)
        refuse_read_only(self.folder)
        if self._has_failed:
            write_probe(self.folder)
        with self.exclusive_write(min(self._timeout_s, CHECK_TIMEOUT_S)):
            pass  # entering it does all that a transaction does before it writes
        if self._has_failed:
            self.make_durable()
            self._has_failed = False

    def lease_shards(
        self, busy: Set[int] = frozenset(), *, timeout_s: float = 0.0
    ) -> frozenset[int]:
        """See Store.lease_shards. Of the processes on a folder one has all shards: the leader."""
        return ALL_SHARDS if self._leader_lock.lead(timeout_s) else frozenset()

    def are_shards_leased(self) -> bool:
        """See Store.are_shards_leased."""
        return self._leader_lock.has_leader()

    def standby_lags(self) -> list[int]:
        """See Store.standby_lags: a data folder has no standby."""
        return []

    def close(self) -> None:
        """See Store.close; `Checkpointer.close` comes before."""
        self._leader_lock.release()
        with self._memory_lock:
            self.replica.close()
            for file in self.replica.tables.base.values():
                file.close()

    def catch_up(self) -> None:
        """Apply what other processes have appended; one fstat when there is nothing."""
        with self._memory_lock:
            try:
                self.replica.catch_up()
            except LogTruncated:
                self.reload()

    @contextmanager
    def exclusive_write(self, timeout_s: float | None = None) -> Iterator[None]:
        """Hold the locks to append, with the log read to its end and its tail recovered.

        Waits up to `timeout_s` for each lock, by default as long as a transaction does. Raises
        Damaged, StorageFull or Unavailable.
        """
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        self._acquire_commit_lock(timeout_s)
        with ExitStack() as held:
            held.callback(self._commit_lock.release)
            if batch := self._batch:
                self._write(batch)
                batch.finish()
            held.callback(self._process_lock.release)
            self._lock_and_recover(timeout_s)
            yield

    def reload(self) -> None:
        """Open the folder again. Raises Damaged or Unavailable; the old replica then stays."""
        with self._memory_lock:
            old = self.replica
            self.replica = self._open_replica()
            self._feeds.record_all(old.tables.keys)
            self._feeds.record_all(self.replica.tables.keys)
            old.close()

    def refuse_edits(self) -> None:
        """Within `exclusive_write`: reload if a file in the folder is not the open one.

        Raises Damaged for a file that a person edited or replaced, Unavailable when the disk fails.
        """
        with translating_os_errors("checking the readable files"):
            is_in_place = self.replica.files_in_place()
        if not is_in_place:
            self.reload()
            self._recover_tail()

    def _open_replica(self) -> Replica:
        replica = open_replica(self.folder, self.declared, self._feeds, self._memory_lock)
        replica.wal.observer = self.observer
        return replica

    def _join_batch(self) -> Batch:
        """Acquire the commit lock and return the open batch; open one if there is none."""
        self._acquire_commit_lock(self._timeout_s)
        try:
            if self._batch is None:
                self._lock_and_recover(self._timeout_s)
                self._batch = Batch(JsonTransaction(self.replica.tables), self.replica.wal)
            return self._batch
        except BaseException:
            self._process_lock.release()
            self._commit_lock.release()
            raise

    def _lock_and_recover(self, timeout_s: float) -> None:
        """Acquire the process lock and recover the tail; the caller releases it, also on errors."""
        self._acquire_process_lock(timeout_s)
        self._recover_tail()

    def _leave_batch(self, batch: Batch) -> None:
        """Hand the open batch to a waiting thread; write it when none waits, or it is full.

        While a sync is running, there is time to wait for more.
        """
        batch.transactions += 1
        if batch.takes_more() and self._commit_lock.hand_off():
            return
        self.replica.wal.wait_for_sync(BATCH_MAX_OPEN_S)
        if batch.takes_more() and self._commit_lock.hand_off():
            return
        try:
            self._write(batch)
        finally:
            self._commit_lock.release()
            batch.finish()

    def _write(self, batch: Batch) -> None:
        """Close the batch: append its line, apply it to memory, release the process lock."""
        self._batch = None
        try:
            if changes := batch.transaction.changes():
                self.replica.commit(changes)
                self.observer.wrote(batch.transactions)
            batch.mark_written()
        except DaybookError as error:
            batch.mark_failed(error)
        finally:
            self._process_lock.release()

    def _recover_tail(self) -> None:
        with self._memory_lock:
            while True:
                try:
                    return self.replica.recover_tail()
                except LogTruncated:
                    self.reload()
                except DaybookError:
                    self._has_failed = True
                    raise

    def _acquire_commit_lock(self, timeout_s: float) -> None:
        if not self._commit_lock.acquire(timeout_s):
            raise Unavailable("The service is busy; nothing was changed. Try again.")

    def _acquire_process_lock(self, timeout_s: float) -> None:
        with translating_os_errors("taking the store's lock"):
            if not self._process_lock.acquire(timeout_s):
                raise Unavailable(
                    "Another process holds the store's lock; nothing was changed. Try again."
                )
