"""One process's copy of the data folder: the log read so far, and the documents it leads to.

Memory is changed under the memory lock, and briefly: readers wait for that lock, and must not wait
for the disk. The caller of a method that writes also holds the other locks (see store.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from app.kernel.errors import Damaged
from app.store import Collection
from app.store.files.disk.filesystem import disk_error, translating_os_errors
from app.store.files.folder.open import open_folder
from app.store.files.memory.change_feeds import ChangeFeeds
from app.store.files.memory.index import NOT_INDEXED, index_entry
from app.store.files.memory.staged import Change
from app.store.files.memory.tables import Tables
from app.store.files.snapshot.checkpoint_file import CheckpointFile
from app.store.files.snapshot.room import Room
from app.store.files.wal.format import FileRecords, Line, encode_document
from app.store.files.wal.log import LogTruncated, WriteAheadLog
from app.store.files.wal.segment import segment_numbers

MemoryLock = AbstractContextManager[bool]
"""A reentrant lock, the same for every replica that a store opens one after another."""


class Snapshot(NamedTuple):
    """The input of a checkpoint: the files `base`, and the `changes` of finished segments.

    Together they have every transaction up to `covers`; `last_segment` is the last segment that
    the checkpoint makes superfluous.
    """

    covers: int
    last_segment: int
    base: dict[str, CheckpointFile]
    changes: dict[str, dict[str, bytes | None]]

    def lacks(self, name: str) -> bool:
        """Whether this file lacks changes; an attempt without room for all has written some."""
        return bool(self.changes[name]) and self.base[name].record.covers < self.covers

    def next_bytes(self, name: str) -> int:
        """The most that the next version of this file takes."""
        changed = sum(len(raw or b"") for raw in self.changes[name].values())
        return self.base[name].record.bytes + changed


class Replica:
    """The log and the tables of one process. Use `open_replica` to open one."""

    def __init__(
        self,
        folder: Path,
        collections: Sequence[Collection],
        feeds: ChangeFeeds,
        memory_lock: MemoryLock,
    ) -> None:
        """Read the whole folder. Raises Damaged, LogTruncated, FileNotFoundError or Unavailable."""
        opened = open_folder(folder, collections)
        self._folder = folder
        self._collections = collections
        self._feeds = feeds
        self._memory_lock = memory_lock
        self.unrecorded = opened.unrecorded
        self.wal = WriteAheadLog(folder / "journal", opened.segment)
        self.tables = Tables(collections, opened.base, opened.segment.number)
        self._room = Room(folder, self.tables.collections)
        self._largest_bytes = self._largest_file()
        self.last_append = monotonic()
        try:
            self.catch_up()
        except BaseException:
            self.close()
            raise

    def catch_up(self) -> None:
        """Apply what other processes have appended.

        Raises LogTruncated, Damaged or Unavailable.
        """
        try:  # a context manager would cost more than the fstat, and every request comes here
            if self.wal.segment.has_unread():
                with self._memory_lock:
                    for line in self.wal.new_entries():
                        self._apply_line(line)
        except OSError as error:
            raise disk_error("reading the journal", error) from error

    def recover_tail(self) -> None:
        """Catch up, and make the end of the log safe to append to. Raises as `catch_up` does."""
        with self._memory_lock, translating_os_errors("preparing the journal"):
            for line in self.wal.recover_tail():
                self._apply_line(line)

    def commit(self, changes: Sequence[Change]) -> None:
        """Append one transaction and apply it. Raises StorageFull or Unavailable.

        It is refused where the next checkpoint would not have the room that it needs any more.
        """
        put: dict[str, list[bytes]] = {}
        delete: dict[str, list[str]] = {}
        for change in changes:
            if change.raw is None:
                delete.setdefault(change.collection, []).append(change.key)
            else:
                put.setdefault(change.collection, []).append(change.raw)
        with self._memory_lock:
            self.refuse_full(sum(len(change.raw or b"") for change in changes))
            self.wal.append(put, delete)
            self._apply(changes)

    def refuse_full(self, appended_bytes: int) -> None:
        """Raise StorageFull where a checkpoint lacks room after so many bytes more are appended.

        They take room in the log, and then in the files.
        """
        tables = self.tables
        needed = self._largest_bytes + tables.unsaved_bytes() + 2 * appended_bytes
        try:  # as in `catch_up`: every transaction comes here
            self._room.refuse_full(needed, tables.appended_bytes)
        except OSError as error:
            raise disk_error("checking the free space", error) from error

    def is_ahead_of_files(self) -> bool:
        """Whether the log has changes that the checkpoint files do not have."""
        with self._memory_lock:
            return any(any(memtable.values()) for memtable in self.tables.memtables)

    def superfluous_segment(self) -> int:
        """The last segment that no start needs, as the files cover it; 0 for none."""
        segment = self.wal.segment
        is_covered = all(
            each.covers >= segment.header.after for each in self.file_records().values()
        )
        return segment.number - 1 if is_covered else 0

    def files_in_place(self) -> bool:
        """Whether the open files are those in the folder, unchanged."""
        return all(file.is_in_place() for file in self.tables.base.values())

    def file_records(self) -> FileRecords:
        """The records of the open files, and of files that only other versions of Daybook know."""
        opened = {name: file.record for name, file in self.tables.base.items()}
        return self.wal.segment.header.files | opened

    def rotate(self, files: FileRecords) -> None:
        """Switch to a new log segment with `files` in its header. Raises Unavailable."""
        following = self.wal.create_next(files)
        with self._memory_lock:
            self.wal.switch_to(following)
            self.tables.add_memtable(self.wal.segment.number)

    def take_snapshot(self) -> Snapshot:
        """Snapshot all segments but the newest; an empty newest segment is added where needed."""
        if self.wal.seq > self.wal.segment.header.after:
            self.rotate(self.file_records())
        changes: dict[str, dict[str, bytes | None]] = {each.name: {} for each in self._collections}
        for memtable in self.tables.memtables[:-1]:
            for name, documents in memtable.items():
                changes[name].update(documents)
        return Snapshot(self.wal.seq, self.wal.segment.number - 1, dict(self.tables.base), changes)

    def use_published_files(self, last_segment: int) -> None:
        """Open the files of this segment's header, and drop memtables up to `last_segment`.

        Does nothing when a later checkpoint may have replaced them again: a later line of the log
        says so.
        """
        header = self.wal.segment.header
        try:
            files = {
                each.name: CheckpointFile(self._folder, each, header.files[each.name])
                for each in self._collections
                if each.name in header.files
            }
        except (FileNotFoundError, ValueError):
            return  # a file was removed by hand; the next checkpoint or start reports it
        if self.wal.has_next() or not all(file.has_recorded_size() for file in files.values()):
            return
        tables = self.tables
        with self._memory_lock:
            tables.base = tables.base | files
            self._largest_bytes = self._largest_file()
            self._room.mark_replaced()
            tables.memtables = [each for each in tables.memtables if each.segment > last_segment]

    def record_published(self, last_segment: int) -> None:
        """Write to the log that the files are in place, for other processes. Raises Unavailable."""
        with self._memory_lock:
            self.wal.append_published(last_segment)

    def close(self) -> None:
        """Sync and close the log."""
        with self._memory_lock:
            self.wal.close()

    def _largest_file(self) -> int:
        return max(file.record.bytes for file in self.tables.base.values())

    def _apply_line(self, line: Line) -> None:
        if "segment" in line:
            self.tables.add_memtable(self.wal.segment.number)
        elif "published" in line:
            self.use_published_files(line["published"])
        else:
            self._apply(list(self._changes_of(line)))

    def _apply(self, changes: Sequence[Change]) -> None:
        self.tables.apply(changes)
        for change in changes:
            self._feeds.record(change.collection, change.key)
        self.last_append = monotonic()

    def _changes_of(self, line: Line) -> Iterator[Change]:
        """The changes of a transaction's line, without those that an open file already has."""
        seq, base = line["seq"], self.tables.base
        if unknown := (line["put"].keys() | line["delete"].keys()) - base.keys():
            raise Damaged(
                f"The journal has documents of a kind that this version of Daybook does not know "
                f"({', '.join(sorted(unknown))}); start the version that wrote them."
            )
        for name, documents in line["put"].items():
            if seq > base[name].record.covers:
                declared = self.tables.collections[name]
                for document in documents:
                    raw, entry = encode_document(document), index_entry(declared, document)
                    yield Change(name, document[declared.key], raw, entry)
        for name, keys in line["delete"].items():
            if seq > base[name].record.covers:
                yield from (Change(name, key, None, NOT_INDEXED) for key in keys)


def open_replica(
    folder: Path, collections: Sequence[Collection], feeds: ChangeFeeds, memory_lock: MemoryLock
) -> Replica:
    """Read the folder from the start; again if a checkpoint replaced files meanwhile.

    Raises Damaged or Unavailable.
    """
    journal = folder / "journal"
    with translating_os_errors("opening the data folder"):
        while True:
            numbers = segment_numbers(journal)
            try:
                return Replica(folder, collections, feeds, memory_lock)
            except (Damaged, FileNotFoundError, LogTruncated) as error:
                if segment_numbers(journal) != numbers:
                    continue
                if isinstance(error, LogTruncated):
                    raise Damaged(
                        "The last segment of journal/ is missing. Restore a backup, or stop the "
                        "service and run `flask check --repair`."
                    ) from None
                raise
