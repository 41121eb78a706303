"""Keeps the readable files up to date: a checkpoint when the service is quiet, or from time to time.

A checkpoint in order, each step safe to die after (journal.py has the format):

1. Begin a new journal segment. What stands in the old ones is what this checkpoint will cover.
2. Write the next version of every file that changed, under a temporary name, and sync it.
   Writers go on meanwhile; this is the long part.
3. Begin another segment, whose header names the new files: either version is now on record.
4. Rename the files into place and sync the folder.
5. Remove the old segments, and tell the other processes.

Only 1 and 3 to 5 hold up writers, for a few fsyncs. The pause between checkpoints grows with the
time that one takes, so their share of the work stays below a tenth, whatever the number of orders.
"""

import threading
from time import monotonic

import filelock

from app.errors import DaybookError
from app.store.checkpoint import Fingerprint, publish, write_next
from app.store.files import reporting, sync_folder
from app.store.journal import encode, segment_numbers, segment_path
from app.store.json_store import JsonFileStore, process_lock

QUIET_S = 0.25
TICK_S = 0.1
PAUSE_S = 5.0
PAUSE_FACTOR = 10


class Checkpointer:
    """Writes checkpoints of one store, by call or from a thread of its own."""

    def __init__(self, store: JsonFileStore) -> None:
        self._store = store
        self._lock = process_lock(store.folder / "checkpoint.lock", 0)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._not_before = 0.0
        self.last_error: DaybookError | None = None

    def start(self) -> None:
        """Write checkpoints in the background until `close`."""
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, and write a last checkpoint if the disk allows; does not raise."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._try()

    def checkpoint(self) -> bool:
        """Bring all files up to date. False when another process is at it.

        Raises StorageFull or Unavailable; the journal then still has everything.
        """
        try:
            with self._lock.acquire():
                self._checkpoint()
                return True
        except filelock.Timeout:
            return False

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            if self._is_due():
                self._try()

    def _is_due(self) -> bool:
        try:
            self._store.catch_up()
        except DaybookError as error:
            self.last_error = error
            return False
        now = monotonic()
        quiet = now - self._store.last_append >= QUIET_S
        return self._store.has_news() and (quiet or now >= self._not_before)

    def _try(self) -> None:
        began = monotonic()
        try:
            if self._store.has_news():
                self.checkpoint()
            self.last_error = None
        except DaybookError as error:
            self.last_error = error
        took = monotonic() - began
        self._not_before = monotonic() + max(PAUSE_S, PAUSE_FACTOR * took)

    def _checkpoint(self) -> None:
        store = self._store
        with store.writing():
            if not store.has_news():
                return
            header = store.chain.segment.header
            store.rotate(header.covers, header.files)
            covers, through = store.chain.seq, header.segment
            base, changes = store.frozen(through)
        files: dict[str, Fingerprint] = dict(header.files)
        written = [each for each in store.declared if changes[each.name] or each.name not in files]
        with reporting("writing the readable files"):
            for each in written:
                files[each.name] = write_next(
                    store.folder, each, base[each.name], changes[each.name]
                )
        with store.writing(), reporting("replacing the readable files"):
            store.rotate(covers, files)
            for each in written:
                publish(store.folder, each)
            sync_folder(store.folder)
            journal = store.folder / "journal"
            for number in segment_numbers(journal):
                if number <= through:
                    segment_path(journal, number).unlink()
            sync_folder(journal)
            store.use_files(through)
            store.chain.append(encode({"published": through}))
