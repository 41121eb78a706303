"""The journal's segments as one log: read on, append, sync, and go to the next segment.

`seq` is the last transaction this process has read or written, `durable` the last it knows to be
on disk. Unless a method says otherwise, its caller holds the memory lock, and to write all locks.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

from app.kernel.disk import sync_folder
from app.kernel.errors import Damaged, Unavailable
from app.store.files.disk.filesystem import is_full, reporting
from app.store.files.wal.format import FileRecord, Header, Line, encode, encode_transaction, is_torn
from app.store.files.wal.segment import Segment, create_segment, segment_path
from app.store.observer import NULL_OBSERVER, Observer


class LogTruncated(Exception):
    """The segment to read next is gone: this process slept through two checkpoints."""


class WriteAheadLog:
    """The log from one segment on. `observer` hears of each sync."""

    def __init__(self, folder: Path, segment: Segment) -> None:
        self._folder = folder
        self.observer: Observer = NULL_OBSERVER
        self._syncing = threading.Lock()
        self.segment = segment
        self.seq = self.durable = segment.header.after

    def news(self) -> Iterator[Line]:
        """Every line not read yet, over all segments; {"segment": N} stands for a step to the next.

        A line counts as read when the next one is asked for. Raises LogTruncated, Damaged or
        OSError.
        """
        while self.segment.grown():
            for line in self.segment.lines():
                if "next" in line:
                    self._step_to(self._open(line["next"]))
                    yield {"segment": self.segment.number}
                    break
                if "seq" not in line:
                    yield line
                elif line["seq"] == self.seq + 1:
                    yield line
                    self.seq = line["seq"]
                    self._known_durable(line["durable"])
                else:
                    raise self._damage(f"transaction {line['seq']} follows {self.seq}")
            else:
                return

    def has_news(self) -> bool:
        """Whether somebody has appended; one fstat."""
        return self.segment.grown()

    def settle(self) -> Iterator[Line]:
        """Make the end of the log fit to append to; the lines met on the way are yielded.

        Raises as `news` does.
        """
        yield from self.news()
        while self.has_next():
            self._renew()
            sync_folder(self._folder)  # whoever created it may have died before its name was safe
            self.lead_to(self._open(self.segment.number + 1))
            yield {"segment": self.segment.number}
            yield from self.news()
        if not self.segment.is_intact():
            raise Damaged(
                f"journal/{self.segment.path.name} was replaced, cut short or removed while the "
                "service ran; stop it, then restore a backup."
            )
        if self.segment.grown():
            if not is_torn(self.segment.tail(), self.seq + 1):
                raise self._damage("a later entry is intact, this one is not")
            self.segment.cut()
        self._renew()

    def append(self, put: Mapping[str, list[bytes]], delete: Mapping[str, list[str]]) -> None:
        """Write a transaction at the end. Raises StorageFull or Unavailable; nothing is changed."""
        line = encode_transaction(self.seq + 1, self.durable, put, delete)
        with reporting("writing the journal"):
            self.segment.append(line, self.seq + 1)
        self.seq += 1
        self._known_durable(self.durable)

    def announce(self, published: int) -> None:
        """Tell readers that the files of this segment's header are in place. Raises Unavailable."""
        with reporting("writing the journal"):
            self.segment.append(encode({"published": published}))

    def sync(self, seq: int) -> None:
        """Return once transaction `seq` is on disk; whoever comes first syncs for all who wait.

        Needs no lock. Raises Unavailable when the disk fails; whether the change was kept is then
        not known.
        """
        while self.durable < seq:
            with self._syncing:
                if self.durable >= seq:
                    return
                if not self.segment.trusted:
                    raise Unavailable(_unsynced("The disk failed"))
                target, began = self.seq, monotonic()
                try:
                    self.segment.sync()
                except OSError as error:
                    cause = "The disk is full" if is_full(error) else "The disk failed"
                    raise Unavailable(_unsynced(cause)) from error
                self.durable = max(self.durable, target)
                self.observer.synced(monotonic() - began)

    def wait_for_disk(self, longest_s: float) -> None:
        """Return when no sync of this process is under way, or the time is over; needs no lock."""
        if self._syncing.acquire(timeout=longest_s):
            self._syncing.release()

    def begin_next(self, files: dict[str, FileRecord]) -> Segment:
        """Sync this segment and create the next one, whose header says this, but stay on this one.

        Takes the disk's time, and needs no memory lock. Raises Unavailable.
        """
        self.sync(self.seq)
        following = Header(self.segment.number + 1, self.seq, files, self.segment.header.schema)
        with reporting("beginning a journal segment"):
            return create_segment(self._folder, following)

    def lead_to(self, following: Segment) -> None:
        """Write the line that leads every reader to the next segment, and go there.

        Raises StorageFull or Unavailable; the next writer then does it.
        """
        try:
            with reporting("going to the next journal segment"):
                if self.segment.grown():
                    self.segment.cut()
                self.segment.append(encode({"next": following.number}))
        except Unavailable:
            following.close()
            raise
        self._step_to(following)

    def has_next(self) -> bool:
        """Whether a segment exists after the open one."""
        return segment_path(self._folder, self.segment.number + 1).exists()

    def close(self) -> None:
        """Sync what is left to sync, and close. Who still waits learns it when that fails."""
        with suppress(Unavailable):
            self.sync(self.seq)
        with self._syncing:
            self.segment.trusted = False
            self.segment.close()

    def _renew(self) -> None:
        if not self.segment.trusted:
            with self._syncing:
                self.segment.renew()

    def _open(self, number: int) -> Segment:
        """Open the next segment. Raises LogTruncated, or Damaged when this one is not at its
        end.
        """
        try:
            following = Segment(self._folder, number)
        except FileNotFoundError:
            raise LogTruncated from None
        if following.header.after != self.seq:
            following.close()
            raise self._damage(f"it must reach transaction {following.header.after}")
        return following

    def _step_to(self, following: Segment) -> None:
        """All that was written to the segment left behind was synced before the next one began."""
        with self._syncing:
            self.durable = max(self.durable, following.header.after)
            left, self.segment = self.segment, following
            left.close()

    def _known_durable(self, seq: int) -> None:
        self.durable = max(self.durable, seq)
        self.segment.forget(self.durable)

    def _damage(self, what: str) -> Damaged:
        return Damaged(
            f"journal/{self.segment.path.name} is damaged at byte {self.segment.end}: {what}. "
            "Restore a backup, or stop the service and run `flask check --repair`, which keeps "
            "what can be read and lists what is lost."
        )


def _unsynced(cause: str) -> str:
    return (
        f"{cause} while the journal was synced; whether the change was kept is not known. "
        "Look before you repeat it."
    )
