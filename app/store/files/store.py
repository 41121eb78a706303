"""The store that keeps JSON files: locks, transactions, and keeping up with other processes.

Who may do what when (the order in which locks are taken):

    the turn (threads) → store.lock (processes) → memory lock (readers and feeds)

A writer takes all three, appends its line, applies it to memory, lets go, and only then waits for
the disk: one fdatasync serves every line that was appended before it began (group commit, over
threads and over processes). Writers of one process that come at the same time share one line
(batch.py). A reader takes the memory lock alone, so reads go on whatever holds up the writers. A
reader may therefore see a change a moment before its writer is told that it is durable; whoever
acts on what it reads outside the store calls `make_durable` first.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from app.kernel.errors import DaybookError, Unavailable
from app.store import ChangeFeed, Collection, Transaction, View
from app.store.files.disk.filesystem import refuse_full, translating_os_errors, write_probe
from app.store.files.disk.leadership import Leadership
from app.store.files.disk.locks import ProcessLock
from app.store.files.folder.open import initialise, prepare_folder
from app.store.files.group_commit import LONGEST_S, Batch, CommitLock
from app.store.files.memory.change_feeds import Feeds, JsonFeed
from app.store.files.memory.transaction import COUNTERS, JsonTransaction, JsonView
from app.store.files.replica import Replica, open_replica
from app.store.files.wal.log import LogTruncated
from app.store.observer import NULL_OBSERVER, Observer


class JsonFileStore:
    """See app.store.Store. `lock_timeout_s` bounds the wait for other writers, in seconds."""

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
        do), Invalid when a file that it has no record of breaks the rules, Unavailable when the
        folder cannot be used.
        """
        self.folder = folder
        self.declared = (*collections, COUNTERS)
        self.observer = observer
        self._timeout_s = lock_timeout_s
        self._turn = CommitLock()
        self._batch: Batch | None = None
        self._has_failed = False
        self._memory = threading.RLock()
        self._lock = ProcessLock(folder / "store.lock")
        self._leadership = Leadership(folder)
        self._feeds = Feeds()
        prepare_folder(folder)
        with self._across_processes():
            initialise(folder, self.declared, schema)
        self.replica = self._open_replica()
        try:
            self._record_new_files()
            self.make_durable()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[View]:
        """See Store.read."""
        with self._memory:
            self.catch_up()
            yield JsonView(self.replica.tables)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See Store.transaction."""
        batch = self._join()
        try:
            with batch.transaction.savepoint():
                yield batch.transaction
        finally:
            ended = monotonic()
            self._leave(batch)
        self._await(batch)
        self.observer.committed(monotonic() - ended)

    def change_feed(self, collection: str) -> ChangeFeed:
        """See Store.change_feed."""
        feed = JsonFeed(self.catch_up, self._memory)
        with self._memory:
            self.catch_up()
            self._feeds.add(collection, feed)
        return feed

    def position(self) -> int:
        """See Store.position."""
        with self._memory:
            self.catch_up()
            return self.replica.wal.seq

    def make_durable(self) -> None:
        """See Store.make_durable."""
        wal = self.replica.wal
        seq = wal.seq
        if wal.durable < seq and not wal.segment.trusted:
            with self.writing():  # which makes the segment trusted
                wal = self.replica.wal
        wal.sync(seq)

    def refuse_unwritable(self) -> None:
        """See Store.refuse_unwritable."""
        refuse_full(self.folder)
        if self._has_failed:
            write_probe(self.folder)
            with self.writing():
                pass  # which has the journal's end put right
            self.make_durable()
            self._has_failed = False

    def lead(self, timeout_s: float) -> bool:
        """See Store.lead."""
        return self._leadership.acquire(timeout_s)

    def has_leader(self) -> bool:
        """See Store.has_leader."""
        return self._leadership.has_leader()

    def close(self) -> None:
        """Let go of the leadership and the journal; `Checkpointer.close` comes before."""
        self._leadership.release()
        with self._memory:
            self.replica.close()

    def catch_up(self) -> None:
        """Take in what other processes have appended; one fstat when there is nothing."""
        with self._memory:
            try:
                self.replica.catch_up()
            except LogTruncated:
                self.reload()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The right to append, alone: all is caught up, and nobody else appends meanwhile."""
        self._take_turn()
        try:
            if batch := self._batch:
                self._write(batch)
                batch.end()
            with self._across_processes():
                self._settle()
                yield
        finally:
            self._turn.end()

    def reload(self) -> None:
        """Read the folder anew. Raises Damaged or Unavailable, and goes on with what was known."""
        with self._memory:
            left = self.replica
            self.replica = self._open_replica()
            self._feeds.note_all(left.tables.keys)
            self._feeds.note_all(self.replica.tables.keys)
            left.close()

    def notice_edits(self) -> None:
        """Within `writing`: read the folder anew if a file in it is not the one in use.

        Raises Damaged for a file that somebody edited or replaced, Unavailable when the disk fails.
        """
        with translating_os_errors("looking at the readable files"):
            is_in_place = self.replica.files_in_place()
        if not is_in_place:
            self.reload()
            self._settle()

    def _open_replica(self) -> Replica:
        replica = open_replica(self.folder, self.declared, self._feeds, self._memory)
        replica.wal.observer = self.observer
        return replica

    def _record_new_files(self) -> None:
        with self.writing():
            if self.replica.unrecorded:
                self.replica.rotate(self.replica.records())

    def _take_turn(self) -> None:
        if not self._turn.take(self._timeout_s):
            raise Unavailable("The service is busy; nothing was changed. Try again.")

    def _join(self) -> Batch:
        """Take the turn and the open batch; without one, take the lock and open it."""
        self._take_turn()
        try:
            if self._batch is None:
                self._lock_processes()
                try:
                    self._settle()
                except BaseException:
                    self._lock.release()
                    raise
                self._batch = Batch(JsonTransaction(self.replica.tables), self.replica.wal)
            return self._batch
        except BaseException:
            self._turn.end()
            raise

    def _leave(self, batch: Batch) -> None:
        """Hand the open batch to whoever waits; write it when nobody does, or it is full.

        While the disk is busy with the batch before, there is time to wait for more.
        """
        batch.count_member()
        if batch.takes_more() and self._turn.hand_off():
            return
        self.replica.wal.wait_for_sync(LONGEST_S)
        if batch.takes_more() and self._turn.hand_off():
            return
        try:
            self._write(batch)
        finally:
            self._turn.end()
            batch.end()

    def _write(self, batch: Batch) -> None:
        """Close the batch: append its line, apply it to memory, let go of the lock."""
        self._batch = None
        try:
            if changes := batch.transaction.changes():
                self.replica.commit(changes)
                self.observer.wrote(batch.members)
            batch.written()
        except DaybookError as error:
            batch.failed(error)
        finally:
            self._lock.release()

    def _await(self, batch: Batch) -> None:
        try:
            batch.outcome()
        except DaybookError:
            self._has_failed = True
            raise
        self._has_failed = False

    def _settle(self) -> None:
        with self._memory:
            while True:
                try:
                    return self.replica.settle()
                except LogTruncated:
                    self.reload()
                except DaybookError:
                    self._has_failed = True
                    raise

    @contextmanager
    def _across_processes(self) -> Iterator[None]:
        self._lock_processes()
        try:
            yield
        finally:
            self._lock.release()

    def _lock_processes(self) -> None:
        with translating_os_errors("taking the store's lock"):
            if not self._lock.acquire(self._timeout_s):
                raise Unavailable(
                    "Another process holds the store's lock; nothing was changed. Try again."
                )
