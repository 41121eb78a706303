"""Writes checkpoints: when the service is idle, or at intervals while it is busy.

A checkpoint in order; a crash is safe after each step (wal/format.py has the format):

1. Switch to a new log segment. The older segments are what this checkpoint will cover.
2. Write the next version of every file that changed, under a temporary name, and sync it.
   Transactions go on meanwhile; this is the long part. Where the disk lacks the room for all of
   them, take as many as fit, smallest first, and repeat steps 2 to 4 for the others.
3. Switch to another segment, whose header names the new files: both versions now have a record.
4. Rename the files into place and sync the folder.
5. Remove the old segments, and write to the log that the files are published.

Only steps 1 and 3 to 5 block writers, for a few fsyncs, and nothing blocks readers. The pause
between checkpoints grows with the duration of one, so that they take less than a tenth of the time,
whatever the number of orders.
"""

import logging
import threading
from time import monotonic

from app.kernel.errors import Damaged, DaybookError
from app.store import Collection
from app.store.files.disk.filesystem import (
    FREE_SPACE_MIN_BYTES,
    free_bytes,
    translating_os_errors,
)
from app.store.files.disk.locks import ProcessLock
from app.store.files.replica import Snapshot
from app.store.files.snapshot.checkpoint_file import CheckpointFile
from app.store.files.snapshot.writer import discard, publish, write_next
from app.store.files.store import JsonFileStore
from app.store.files.wal.format import FileRecord, FileRecords
from app.store.files.wal.segment import remove_segments
from app.system.repeated_warning import RepeatedWarning

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.1
IDLE_MIN_S = 0.25
"""How long the log must be idle before a checkpoint that is not due yet."""
PAUSE_MIN_S = 1.0
PAUSE_PER_DURATION = 10
"""The pause after a checkpoint on a busy service, as a multiple of its duration."""
RETRY_INTERVAL_S = 5.0

KEEP_REPLACED_S = 0.5
"""How long files that a checkpoint replaced stay open here.

The last close of an unlinked file blocks while the kernel frees it (1 s for 4 GB); that must happen
in this thread, not in a request worker.
"""


class Checkpointer:
    """Writes checkpoints of one store, by call or from a thread of its own.

    `last_error` is why the files are behind, or None.
    """

    def __init__(self, store: JsonFileStore, keep_replaced_s: float = KEEP_REPLACED_S) -> None:
        self._store = store
        self._keep_replaced_s = keep_replaced_s
        self._mutex = threading.Lock()
        self._process_lock = ProcessLock(store.folder / "checkpoint.lock")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._not_before = 0.0
        self._replaced: dict[str, CheckpointFile] = {}
        self._warning = RepeatedWarning(log)
        self.last_error: DaybookError | None = None

    def start(self) -> None:
        """Write checkpoints in the background until `close`."""
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, and write a last checkpoint if the disk allows; does not raise.

        May be called again after further transactions.
        """
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._attempt()

    def checkpoint(self) -> bool:
        """Bring all files up to date. False when another process is writing a checkpoint.

        Raises StorageFull, Damaged (a file was edited meanwhile) or Unavailable; the log then still
        has everything.
        """
        with self._mutex, translating_os_errors("taking the checkpoint's lock"):
            if not self._process_lock.acquire():
                return False
            began = monotonic()
            try:
                self._checkpoint()
            finally:
                self._process_lock.release()
            self._store.observer.checkpointed(monotonic() - began)
            return True

    def _run(self) -> None:
        while not self._stop.wait(RETRY_INTERVAL_S if self.last_error else POLL_INTERVAL_S):
            if self._is_due():
                self._attempt()
                self._close_replaced()

    def _is_due(self) -> bool:
        try:
            self._store.catch_up()
        except DaybookError as error:
            self._fail(error)
            return False
        now, replica = monotonic(), self._store.replica
        is_idle = now - replica.last_append >= IDLE_MIN_S
        return self.last_error is not None or (
            replica.is_ahead_of_files() and (is_idle or now >= self._not_before)
        )

    def _attempt(self) -> None:
        began = monotonic()
        try:
            self.checkpoint()
            self.last_error = None
            self._warning.clear()
        except DaybookError as error:
            self._fail(error)
            self._store.observer.fell_behind()
        ended = monotonic()
        self._not_before = ended + max(PAUSE_MIN_S, PAUSE_PER_DURATION * (ended - began))

    def _fail(self, error: DaybookError) -> None:
        self.last_error = error
        self._warning.warn(f"the readable files are behind: {error}")

    def _checkpoint(self) -> None:
        store = self._store
        with store.exclusive_write():
            if not store.replica.is_ahead_of_files():
                with translating_os_errors("removing old segments of the journal"):
                    # what a checkpoint that was killed has left
                    remove_segments(store.folder / "journal", store.replica.superfluous_segment())
                return
            store.refuse_edits()
            snapshot = store.replica.take_snapshot()
        left = [each for each in store.declared if snapshot.lacks(each.name)]
        discard(store.folder, store.declared)  # what a killed checkpoint has left
        with translating_os_errors("checking the free space"):
            room = free_bytes(store.folder) - FREE_SPACE_MIN_BYTES
        for group in _groups(left, snapshot, room):
            self._close_replaced()
            left = [each for each in left if each not in group]
            try:
                with translating_os_errors("writing the readable files"):
                    written = {each.name: self._write_file(each, snapshot) for each in group}
                with store.exclusive_write(), translating_os_errors("replacing the readable files"):
                    self._publish(group, written, left, snapshot)
            except DaybookError:
                discard(store.folder, group)
                raise
            self._keep_replaced(group, snapshot)

    def _write_file(self, collection: Collection, snapshot: Snapshot) -> FileRecord:
        name, base = collection.name, snapshot.base[collection.name]
        if base.fingerprint() != base.record.fingerprint:
            raise Damaged(
                f"{name}.json was damaged or written to while the service ran. Stop the service; "
                "then restore a backup, or run `flask check --accept` to take the file as it is."
            )
        changes = snapshot.changes[name]
        return write_next(self._store.folder, collection, base, changes, snapshot.covers)

    def _publish(
        self,
        group: list[Collection],
        written: FileRecords,
        left: list[Collection],
        snapshot: Snapshot,
    ) -> None:
        """Put the files of `group` in place; segments are removed when no file is `left`."""
        folder, replica = self._store.folder, self._store.replica
        behind = {each.name for each in left}
        records = {
            name: record._replace(covers=max(record.covers, snapshot.covers))
            for name, record in replica.file_records().items()
            if name not in behind
        }
        replica.rotate(replica.file_records() | records | written)
        publish(folder, group)
        last_segment = 0 if left else snapshot.last_segment
        remove_segments(folder / "journal", last_segment)
        replica.use_published_files(last_segment)
        replica.record_published(last_segment)

    def _keep_replaced(self, group: list[Collection], snapshot: Snapshot) -> None:
        """Keep the replaced files open in the thread, which closes them; else close them now."""
        replaced = {each.name: snapshot.base.pop(each.name) for each in group}
        if self._thread:
            self._replaced.update(replaced)

    def _close_replaced(self) -> None:
        """Close the replaced files once other processes have closed them; frees their space."""
        if self._replaced:
            self._stop.wait(self._keep_replaced_s)
            self._replaced.clear()


def _groups(
    collections: list[Collection], snapshot: Snapshot, room_bytes: int
) -> list[list[Collection]]:
    """The files in groups to be written together, as many as the disk has room for, smallest first.

    There is at least one group, which may be empty.
    """
    groups: list[list[Collection]] = [[]]
    sizes = {each.name: snapshot.next_bytes(each.name) for each in collections}
    left = room_bytes
    for each in sorted(collections, key=lambda each: sizes[each.name]):
        if sizes[each.name] > left and groups[-1]:
            groups.append([])
            left = room_bytes
        groups[-1].append(each)
        left -= sizes[each.name]
    return groups
