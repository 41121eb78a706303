"""Keeps the readable files up to date: a checkpoint when the service is quiet, or now and then.

A checkpoint in order, each step safe to die after (journal.py has the format):

1. Begin a new journal segment. What stands in the old ones is what this checkpoint will cover.
2. Write the next version of every file that changed, under a temporary name, and sync it.
   Writers go on meanwhile; this is the long part.
3. Begin another segment, whose header names the new files: either version is now on record.
4. Rename the files into place and sync the folder.
5. Remove the old segments, and tell the other processes.

Only 1 and 3 to 5 hold up writers, for a few fsyncs, and nothing holds up readers. The pause between
checkpoints grows with the time that one takes, so their share of the work stays below a tenth,
whatever the number of orders.
"""

import logging
import threading
from pathlib import Path
from time import monotonic

from app.kernel.errors import Damaged, DaybookError
from app.store import Collection
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.locks import ProcessLock
from app.store.files.replica import Snapshot
from app.store.files.snapshot.checkpoint_file import CheckpointFile
from app.store.files.snapshot.writer import discard, publish, write_next
from app.store.files.store import JsonFileStore
from app.store.files.wal.format import FileRecord
from app.store.files.wal.segment import remove_segments

log = logging.getLogger(__name__)

QUIET_S = 0.25
TICK_S = 0.1
PAUSE_S = 1.0
TROUBLE_PAUSE_S = 5.0
PAUSE_FACTOR = 10

LET_GO_S = 0.5
"""So long after a checkpoint the files that it replaced stay open here.

Whoever is the last to close a file of gigabytes that has no name any more waits for the system to
take it to pieces: a second for 4 GB. Here nobody else waits; in a worker requests would.
"""


class Checkpointer:
    """Writes checkpoints of one store, by call or from a thread of its own.

    `last_error` is why the files are behind, or None.
    """

    def __init__(self, store: JsonFileStore) -> None:
        self._store = store
        self._turn = threading.Lock()
        self._lock = ProcessLock(store.folder / "checkpoint.lock")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._not_before = 0.0
        self._replaced: dict[str, CheckpointFile] = {}
        self.last_error: DaybookError | None = None

    def start(self) -> None:
        """Write checkpoints in the background until `close`."""
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, and write a last checkpoint if the disk allows; does not raise.

        May be called again, for what has come since.
        """
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._try()

    def checkpoint(self) -> bool:
        """Bring all files up to date. False when another process is at it.

        Raises StorageFull, Damaged (a file was edited meanwhile) or Unavailable; the journal then
        still has everything.
        """
        with self._turn, translating_os_errors("taking the checkpoint's lock"):
            if not self._lock.acquire():
                return False
            began = monotonic()
            try:
                self._checkpoint()
            finally:
                self._lock.release()
            self._store.observer.checkpointed(monotonic() - began)
            return True

    def _run(self) -> None:
        while not self._stop.wait(TROUBLE_PAUSE_S if self.last_error else TICK_S):
            if self._is_due():
                self._try()
                self._stop.wait(LET_GO_S)
                self._replaced.clear()

    def _note(self, error: DaybookError) -> None:
        """Say what keeps the files behind, once for as long as it stays the same."""
        if str(error) != str(self.last_error):
            log.warning("the readable files are behind: %s", error)
        self.last_error = error

    def _is_due(self) -> bool:
        try:
            self._store.catch_up()
        except DaybookError as error:
            self._note(error)
            return False
        now, replica = monotonic(), self._store.replica
        quiet = now - replica.last_append >= QUIET_S
        return self.last_error is not None or (
            replica.has_news() and (quiet or now >= self._not_before)
        )

    def _try(self) -> None:
        began = monotonic()
        try:
            self.checkpoint()
            self.last_error = None
        except DaybookError as error:
            self._note(error)
            self._store.observer.fell_behind()
        took = monotonic() - began
        self._not_before = monotonic() + max(PAUSE_S, PAUSE_FACTOR * took)

    def _checkpoint(self) -> None:
        store = self._store
        with store.writing():
            if not store.replica.has_news():
                return
            store.notice_edits()
            frozen = store.replica.take_snapshot()
        changed = [each for each in store.declared if frozen.changes[each.name]]
        try:
            with translating_os_errors("writing the readable files"):
                written = {each.name: _write_file(store.folder, each, frozen) for each in changed}
            with store.writing(), translating_os_errors("replacing the readable files"):
                self._publish(changed, written, frozen)
        except DaybookError:
            discard(store.folder, changed)
            raise
        if self._thread:
            self._replaced.update(frozen.base)

    def _publish(
        self, changed: list[Collection], written: dict[str, FileRecord], frozen: Snapshot
    ) -> None:
        folder, replica = self._store.folder, self._store.replica
        unchanged = {
            name: record._replace(covers=max(record.covers, frozen.covers))
            for name, record in replica.records().items()
        }
        replica.rotate(unchanged | written)
        publish(folder, changed)
        remove_segments(folder / "journal", frozen.through)
        replica.use_files(frozen.through)
        replica.announce(frozen.through)


def _write_file(folder: Path, collection: Collection, frozen: Snapshot) -> FileRecord:
    name = collection.name
    base = frozen.base[name]
    if base.fingerprint() != base.record.fingerprint:
        raise Damaged(
            f"{name}.json was damaged or written to while the service ran. Stop the service; then "
            "restore a backup, or run `flask check --accept` to take the file as it is."
        )
    return write_next(folder, collection, base, frozen.changes[name], frozen.covers)
