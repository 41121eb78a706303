"""The journal's segments as one log: read on, append, sync, and go to the next segment.

`seq` is the last transaction this process has read or written, `durable` the last it knows to be
on disk. Callers of the methods that say so hold the store's locks.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

from app.errors import Damaged, StorageFull, Unavailable
from app.store.checkpoint import Fingerprint
from app.store.files import disk_error, reporting
from app.store.journal import (
    Header,
    Line,
    Segment,
    create_segment,
    encode,
    is_torn,
    segment_path,
)


class Overtaken(Exception):
    """The segment to read next is gone: this process slept through two checkpoints."""


class Chain:
    """The log from one segment on."""

    def __init__(self, folder: Path, segment: Segment) -> None:
        self._folder = folder
        self._syncing = threading.Lock()
        self._trusted = True
        self.segment = segment
        self.seq = self.durable = segment.header.after

    def news(self) -> Iterator[Line]:
        """Every line not read yet, over all segments; {"segment": N} stands for a step to the next.

        Raises Overtaken, Damaged or Unavailable.
        The caller holds the memory lock and takes in each line before it asks for the next one.
        """
        while self.segment.grown():
            moved = False
            for line in self.segment.lines():
                if "next" in line:
                    yield self._go_to(line["next"])
                    moved = True
                    break
                if "seq" in line and not self._is_next(line["seq"]):
                    continue
                yield line
            if not moved:
                return

    def settle(self) -> Iterator[Line]:
        """Make the end of the log fit to append to; the lines met on the way are yielded.

        The caller holds all locks. Raises as `news` does.
        """
        yield from self.news()
        while segment_path(self._folder, self.segment.number + 1).exists():
            yield self._go_to(self.segment.number + 1)
            yield from self.news()
        if self.segment.replaced():
            raise Damaged(
                f"journal/{self.segment.path.name} was replaced or removed while the service ran; "
                "stop it, then restore the folder from a backup."
            )
        if self.segment.grown():
            self._cut_torn_tail()
        if not self._trusted:
            yield self._start_afresh()

    def append(self, lines: bytes) -> None:
        """Write at the end, under all locks. Raises StorageFull or Unavailable: nothing was changed."""
        with reporting("writing the journal"):
            self.segment.append(lines)

    def sync(self, seq: int) -> None:
        """Return once transaction `seq` is on disk; whoever comes first syncs for all who wait.

        Raises Unavailable when the disk fails; the file is then not trusted again (a second fsync
        may say yes though the pages are lost), and the next writer starts a new segment.
        """
        while self.durable < seq:
            with self._syncing:
                if self.durable >= seq:
                    return
                if not self._trusted:
                    raise Unavailable(
                        "The journal could not be synced; whether the change was kept is not "
                        "known. Look before you repeat it."
                    )
                target = self.seq
                try:
                    self.segment.sync()
                except OSError as error:
                    self._trusted = False
                    raise _unsynced(error) from error
                self.durable = max(self.durable, target)

    def rotate(self, covers: int, files: dict[str, Fingerprint]) -> None:
        """Begin a new segment, whose header says this, under all locks. Raises Unavailable."""
        self.sync(self.seq)
        header = Header(self.segment.number + 1, self.seq, covers, files)
        with reporting("beginning a journal segment"):
            self._announce(create_segment(self._folder, header))

    def close(self) -> None:
        """Close the open segment."""
        self.segment.close()

    def _is_next(self, seq: int) -> bool:
        if seq > self.seq + 1:
            raise Damaged(
                f"journal/{self.segment.path.name} skips from transaction {self.seq} to {seq} "
                f"before byte {self.segment.end}; restore the folder from a backup."
            )
        if seq <= self.seq:
            return False
        self.seq = seq
        return True

    def _go_to(self, number: int) -> Line:
        """Open the next segment and leave this one; returns the line that stands for the step."""
        try:
            following = Segment(self._folder, number)
        except FileNotFoundError:
            raise Overtaken from None
        self._leave_for(following)
        return {"segment": number}

    def _announce(self, following: Segment) -> None:
        """Tell the readers of the old segment where to go on. Not needed to be safe, so may fail."""
        try:
            self.append(encode({"next": following.number}))
        except Unavailable:
            pass  # the next writer finds the new segment by its name
        self._leave_for(following)

    def _leave_for(self, following: Segment) -> None:
        """Everything this process wrote to the old segment must be on disk before it is closed."""
        old, self.segment = self.segment, following
        try:
            old.sync()
            self.durable = max(self.durable, following.header.after)
        except OSError as error:
            raise _unsynced(error) from error
        finally:
            old.close()

    def _cut_torn_tail(self) -> None:
        if not is_torn(self.segment.tail(), self.seq + 1):
            raise Damaged(
                f"journal/{self.segment.path.name} is damaged at byte {self.segment.end}: a later "
                "entry is intact, this one is not. Restore the folder from a backup."
            )
        with reporting("cutting off an unfinished entry"):
            self.segment.cut()

    def _start_afresh(self) -> Line:
        """After a failed sync: write what is in doubt anew, in a new file, and go on there."""
        doubtful = self.segment.transactions(self.durable, self.seq)
        old = self.segment.header
        header = Header(self.segment.number + 1, self.durable, old.covers, old.files)
        with reporting("writing the journal anew after a failed sync"):
            following = create_segment(self._folder, header, doubtful)
            list(following.lines())
            self._announce(following)
        self._trusted = True
        self.durable = self.seq
        return {"segment": following.number}


def _unsynced(error: OSError) -> Unavailable:
    full = isinstance(disk_error("", error), StorageFull)
    cause = "The disk is full" if full else f"The disk failed ({error.strerror or error})"
    return Unavailable(
        f"{cause} while the journal was synced; whether the change was kept is not known. "
        "Look before you repeat it."
    )
