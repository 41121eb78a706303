"""One process's copy of the data folder: the log read so far, and the documents it leads to.

Whatever changes memory is done under the memory lock, and briefly: readers wait for it, and they
shall not wait for the disk. Of the methods that write, the caller holds the other locks too.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from app.kernel.errors import Damaged
from app.store import Collection
from app.store.files.disk.filesystem import disk_error, translating_os_errors
from app.store.files.folder.open import OpenedFolder, open_folder
from app.store.files.memory.change_feeds import Feeds
from app.store.files.memory.index import NOT_INDEXED, index_entry
from app.store.files.memory.tables import Change, Tables
from app.store.files.snapshot.checkpoint_file import CheckpointFile
from app.store.files.wal.format import FileRecord, Line, encode_document
from app.store.files.wal.log import LogTruncated, WriteAheadLog
from app.store.files.wal.segment import segment_numbers

Memory = AbstractContextManager[bool]
"""The memory lock: reentrant, and the same for every replica that a store has one after another."""


class Snapshot(NamedTuple):
    """What a checkpoint has to write: `base` with `changes`, which reach up to `covers`."""

    covers: int
    through: int
    base: dict[str, CheckpointFile]
    changes: dict[str, dict[str, bytes | None]]


class Replica:
    """The log and the state of one process; `open_replica` makes one."""

    def __init__(
        self,
        folder: Path,
        collections: Sequence[Collection],
        opened: OpenedFolder,
        feeds: Feeds,
        memory: Memory,
    ) -> None:
        self._folder = folder
        self._collections = collections
        self._feeds = feeds
        self._memory = memory
        self.unrecorded = opened.unrecorded
        self.wal = WriteAheadLog(folder / "journal", opened.segment)
        self.tables = Tables(collections, opened.base, opened.segment.number)
        self.last_append = monotonic()

    def catch_up(self) -> None:
        """Take in what other processes have appended. Raises LogTruncated, Damaged or
        Unavailable.
        """
        try:
            if not self.wal.has_new_entries():
                return  # as almost always; each request asks
            with self._memory:
                for line in self.wal.new_entries():
                    self._take(line)
        except OSError as error:
            raise disk_error("reading the journal", error) from error

    def settle(self) -> None:
        """Catch up, and make the end of the log fit to append to. Raises as `catch_up` does."""
        with self._memory, translating_os_errors("preparing the journal"):
            for line in self.wal.recover_tail():
                self._take(line)

    def commit(self, changes: Sequence[Change]) -> None:
        """Append one transaction and apply it. Raises StorageFull or Unavailable."""
        put: dict[str, list[bytes]] = {}
        delete: dict[str, list[str]] = {}
        for change in changes:
            if change.raw is None:
                delete.setdefault(change.collection, []).append(change.key)
            else:
                put.setdefault(change.collection, []).append(change.raw)
        with self._memory:
            self.wal.append(put, delete)
            self._apply(changes)

    def has_news(self) -> bool:
        """Whether the journal has anything that the checkpoint files have not."""
        with self._memory:
            return any(
                documents for memtable in self.tables.memtables for documents in memtable.values()
            )

    def files_in_place(self) -> bool:
        """Whether the files in use are those that stand in the folder, untouched."""
        return all(file.is_in_place() for file in self.tables.base.values())

    def records(self) -> dict[str, FileRecord]:
        """What is on record about the files in use, and those of other versions of Daybook."""
        used = {name: file.record for name, file in self.tables.base.items()}
        return self.wal.segment.header.files | used

    def rotate(self, files: dict[str, FileRecord]) -> None:
        """Begin a new journal segment, whose header says this. Raises Unavailable."""
        following = self.wal.create_next(files)
        with self._memory:
            self.wal.switch_to(following)
            self._new_layer()

    def take_snapshot(self) -> Snapshot:
        """Begin a new segment, unless this one is new; returns what stands before it."""
        if self.wal.seq > self.wal.segment.header.after:
            self.rotate(self.records())
        through = self.wal.segment.number - 1
        changes: dict[str, dict[str, bytes | None]] = {each.name: {} for each in self._collections}
        for memtable in self.tables.memtables[:-1]:
            for name, documents in memtable.items():
                changes[name].update(documents)
        return Snapshot(self.wal.seq, through, dict(self.tables.base), changes)

    def use_files(self, published: int) -> None:
        """Read from the files of this segment's header; layers up to `published` are in them.

        Nothing is done when they may have been replaced once more: then their own line follows.
        """
        header = self.wal.segment.header
        try:
            files = {
                each.name: CheckpointFile(self._folder, each, header.files[each.name])
                for each in self._collections
                if each.name in header.files
            }
        except (FileNotFoundError, ValueError):
            return  # somebody removed one; the next checkpoint or start says so
        if self.wal.has_next() or not all(file.has_recorded_size() for file in files.values()):
            return
        with self._memory:
            self.tables.base = self.tables.base | files
            self.tables.memtables = [
                memtable for memtable in self.tables.memtables if memtable.segment > published
            ]

    def announce(self, published: int) -> None:
        """Tell the other processes to do the same. Raises Unavailable."""
        with self._memory:
            self.wal.append_published(published)

    def close(self) -> None:
        """Close the journal; who still waits for it to be synced is served first."""
        with self._memory:
            self.wal.close()

    def _take(self, line: Line) -> None:
        if "segment" in line:
            self._new_layer()
        elif "published" in line:
            self.use_files(line["published"])
        else:
            self._apply(list(self._changes_of(line)))

    def _apply(self, changes: Sequence[Change]) -> None:
        self.tables.apply(changes)
        for change in changes:
            self._feeds.note(change.collection, change.key)
        self.last_append = monotonic()

    def _changes_of(self, line: Line) -> Iterator[Change]:
        """The changes that a line tells of, without those that a file in use has already."""
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
                    raw = encode_document(document)
                    yield Change(name, document[declared.key], raw, index_entry(declared, document))
        for name, keys in line["delete"].items():
            if seq > base[name].record.covers:
                yield from (Change(name, key, None, NOT_INDEXED) for key in keys)

    def _new_layer(self) -> None:
        self.tables.add_memtable(self.wal.segment.number)


def open_replica(
    folder: Path, collections: Sequence[Collection], feeds: Feeds, memory: Memory
) -> Replica:
    """Read the folder from the start, again when a checkpoint replaced files meanwhile.

    Raises Damaged or Unavailable.
    """
    journal = folder / "journal"
    with translating_os_errors("opening the data folder"):
        while True:
            numbers = segment_numbers(journal)
            try:
                return _read_whole(folder, collections, feeds, memory)
            except (Damaged, FileNotFoundError, LogTruncated) as error:
                if segment_numbers(journal) != numbers:
                    continue
                if isinstance(error, LogTruncated):
                    raise Damaged(
                        "The last segment of journal/ is missing; restore a backup."
                    ) from None
                raise


def _read_whole(
    folder: Path, collections: Sequence[Collection], feeds: Feeds, memory: Memory
) -> Replica:
    replica = Replica(folder, collections, open_folder(folder, collections), feeds, memory)
    try:
        replica.catch_up()
    except BaseException:
        replica.close()
        raise
    return replica
