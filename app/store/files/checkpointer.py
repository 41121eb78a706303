"""Writes checkpoints: when the service is idle, or at intervals while it is busy.

A checkpoint in order; a crash is safe after each step (wal/format.py has the format):

1. Switch to a new log segment. The older segments are what this checkpoint will cover.
2. Write the next version of every file that changed, under a temporary name, and sync it.
   Transactions go on meanwhile; this is the long part.
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
from app.kernel.repeated_warning import RepeatedWarning
from app.store import Collection
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.locks import ProcessLock
from app.store.files.replica import Snapshot
from app.store.files.snapshot.checkpoint_file import CheckpointFile
from app.store.files.snapshot.writer import discard, publish, write_next
from app.store.files.store import JsonFileStore
from app.store.files.wal.format import FileRecord, FileRecords
from app.store.files.wal.segment import remove_segments

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
                self._stop.wait(self._keep_replaced_s)
                self._replaced.clear()

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
                return
            store.refuse_edits()
            snapshot = store.replica.take_snapshot()
        changed = [each for each in store.declared if snapshot.changes[each.name]]
        try:
            with translating_os_errors("writing the readable files"):
                written = {each.name: self._write_file(each, snapshot) for each in changed}
            with store.exclusive_write(), translating_os_errors("replacing the readable files"):
                self._publish(changed, written, snapshot)
        except DaybookError:
            discard(store.folder, changed)
            raise
        if self._thread:
            self._replaced.update(snapshot.base)

    def _write_file(self, collection: Collection, snapshot: Snapshot) -> FileRecord:
        name, base = collection.name, snapshot.base[collection.name]
        if base.fingerprint() != base.record.fingerprint:
            raise Damaged(
                f"{name}.json was damaged or written to while the service ran. Stop the service; "
                "then restore a backup, or run `flask check --accept` to take the file as it is."
            )
        changes = snapshot.changes[name]
        return write_next(self._store.folder, collection, base, changes, snapshot.covers)

    def _publish(self, changed: list[Collection], written: FileRecords, snapshot: Snapshot) -> None:
        folder, replica = self._store.folder, self._store.replica
        unchanged = {
            name: record._replace(covers=max(record.covers, snapshot.covers))
            for name, record in replica.file_records().items()
        }
        replica.rotate(unchanged | written)
        publish(folder, changed)
        remove_segments(folder / "journal", snapshot.last_segment)
        replica.use_published_files(snapshot.last_segment)
        replica.record_published(snapshot.last_segment)
