"""The write-ahead log over all its segments: read on, append, sync, switch to the next segment.

`seq` is the last transaction this process has read or written, `durable` the last it knows to be
on disk. Unless a method says otherwise, its caller holds the memory lock, and to write all locks.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

from app.kernel.errors import Damaged, Unavailable
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.wal.format import FileRecords, Header, Line, encode, encode_transaction
from app.store.files.wal.segment import Segment, create_segment
from app.store.observer import NULL_OBSERVER, Observer
from app.system.disk import sync_folder
from app.system.os_errors import is_full


class LogTruncated(Exception):
    """The next segment was removed: two checkpoints were written since this process last read."""


class WriteAheadLog:
    """The log from one segment on. `observer` is called after each sync."""

    def __init__(self, folder: Path, segment: Segment) -> None:
        self._folder = folder
        self.observer: Observer = NULL_OBSERVER
        self._sync_lock = threading.Lock()
        self.segment = segment
        self.seq = self.durable = segment.header.after

    def new_entries(self) -> Iterator[Line]:
        """Every line not read yet, over all segments; {"segment": N} marks the switch to the next.

        A line counts as read when the next one is asked for. Raises LogTruncated, Damaged or
        OSError.
        """
        while self.segment.has_unread():
            for line in self.segment.lines():
                if "next" in line:
                    self._use(self._open(line["next"]))
                    yield {"segment": self.segment.number}
                    break
                if "seq" not in line:
                    yield line
                elif line["seq"] == self.seq + 1:
                    yield line
                    self.seq = line["seq"]
                    self._mark_durable(line["durable"])
                else:
                    raise self._damaged(f"transaction {line['seq']} follows {self.seq}")
            else:
                return

    def recover_tail(self) -> Iterator[Line]:
        """Yield the new entries, then make the end of the log safe to append to.

        Cuts a torn tail, finishes a switch of segments that a crash interrupted, and writes again
        what is in doubt. Raises as `new_entries` does.
        """
        yield from self.new_entries()
        while self.has_next():
            self._ensure_trusted()
            sync_folder(self._folder)  # its creator may have died before the name was durable
            self.switch_to(self._open(self.segment.number + 1))
            yield {"segment": self.segment.number}
            yield from self.new_entries()
        if not self.segment.is_intact():
            raise Damaged(
                f"journal/{self.segment.path.name} was replaced, cut short or removed while the "
                "service ran; stop it, then restore a backup."
            )
        if self.segment.has_unread():
            if not self.segment.has_torn_tail(self.seq + 1):
                raise self._damaged("a later entry is intact, this one is not")
            self.segment.cut_tail()
        self._ensure_trusted()

    def append(self, put: Mapping[str, list[bytes]], delete: Mapping[str, list[str]]) -> None:
        """Write a transaction at the end. Raises StorageFull or Unavailable; nothing is changed."""
        line = encode_transaction(self.seq + 1, self.durable, put, delete)
        with translating_os_errors("writing the journal"):
            self.segment.append(line, self.seq + 1)
        self.seq += 1
        self._mark_durable(self.durable)

    def append_published(self, last_segment: int) -> None:
        """Write that the files of this segment's header are in place. Raises Unavailable.

        `last_segment` is the last segment that was removed.
        """
        with translating_os_errors("writing the journal"):
            self.segment.append(encode({"published": last_segment}))

    def sync(self, seq: int) -> None:
        """Return once transaction `seq` is on disk; one sync serves all threads that wait for it.

        Needs no lock. Raises Unavailable when the disk fails; whether the change was kept is then
        unknown.
        """
        while self.durable < seq:
            with self._sync_lock:
                if self.durable >= seq:
                    return
                if not self.segment.trusted:
                    raise Unavailable(_unknown_outcome("The disk failed"))
                target, began = self.seq, monotonic()
                try:
                    self.segment.sync()
                except OSError as error:
                    cause = "The disk is full" if is_full(error) else "The disk failed"
                    raise Unavailable(_unknown_outcome(cause)) from error
                self.durable = max(self.durable, target)
                self.observer.synced(monotonic() - began)

    def wait_for_sync(self, timeout_s: float) -> None:
        """Wait until no thread of this process is syncing, or for `timeout_s`; needs no lock."""
        if self._sync_lock.acquire(timeout=timeout_s):
            self._sync_lock.release()

    def create_next(self, files: FileRecords) -> Segment:
        """Sync this segment and create the next one with `files` in its header; do not switch yet.

        Slow, because it syncs; needs no memory lock. Raises Unavailable.
        """
        self.sync(self.seq)
        header = Header(self.segment.number + 1, self.seq, files, self.segment.header.schema)
        with translating_os_errors("beginning a journal segment"):
            return create_segment(self._folder, header)

    def switch_to(self, following: Segment) -> None:
        """Write the line that sends every reader to the next segment, and go on there.

        Raises StorageFull or Unavailable; then the next writer switches.
        """
        try:
            with translating_os_errors("going to the next journal segment"):
                if self.segment.has_unread():
                    self.segment.cut_tail()
                self.segment.append(encode({"next": following.number}))
        except Unavailable:
            following.close()
            raise
        self._use(following)

    def has_next(self) -> bool:
        """Whether a segment exists after the open one."""
        return self.segment.next_path.exists()

    def close(self) -> None:
        """Sync what is not synced, and close. If that fails, waiting threads get Unavailable."""
        with suppress(Unavailable):
            self.sync(self.seq)
        with self._sync_lock:
            self.segment.trusted = False
            self.segment.close()

    def _ensure_trusted(self) -> None:
        if not self.segment.trusted:
            with self._sync_lock:
                self.segment.reopen()

    def _open(self, number: int) -> Segment:
        """Open the next segment. Raises LogTruncated, or Damaged when entries before it miss."""
        try:
            following = Segment(self._folder, number)
        except FileNotFoundError:
            raise LogTruncated from None
        if following.header.after != self.seq:
            following.close()
            raise self._damaged(f"it must reach transaction {following.header.after}")
        return following

    def _use(self, following: Segment) -> None:
        """Replace the open segment. All of the old one was synced before the next was created."""
        with self._sync_lock:
            self.durable = max(self.durable, following.header.after)
            left, self.segment = self.segment, following
            left.close()

    def _mark_durable(self, seq: int) -> None:
        self.durable = max(self.durable, seq)
        self.segment.mark_durable(self.durable)

    def _damaged(self, reason: str) -> Damaged:
        return Damaged(
            f"journal/{self.segment.path.name} is damaged at byte {self.segment.end}: {reason}. "
            "Restore a backup, or stop the service and run `flask check --repair`, which keeps "
            "what can be read and lists what is lost."
        )


def _unknown_outcome(cause: str) -> str:
    return (
        f"{cause} while the journal was synced; whether the change was kept is not known. "
        "Look before you repeat it."
    )
