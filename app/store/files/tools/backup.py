"""Backs the shop up as of one moment, while the service runs: `flask backup`.

A backup is a data folder with a manifest, whichever store the shop has. Of a data folder, all files
are opened under store.lock, which takes about a millisecond. Checkpoint files never change, and the
journal only grows, so the bytes that were there can be copied afterwards. Of a database, everything
is read in one snapshot and written as a data folder (write_folder.py).

The folders that services keep beside these files, such as mail/ and gateway/, are copied after that
moment: they then hold everything that the documents say was done. The manifest (manifest.py) comes
last, and only a complete backup gets its name.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

from app.store import Collection, Contents
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.store import JsonFileStore
from app.store.files.tools.manifest import write_manifest
from app.store.files.tools.new_data_folder import COPYING, new_data_folder
from app.store.files.tools.new_folder import BACKUP_STEM
from app.store.files.tools.write_folder import write_folder
from app.store.files.wal.segment import segment_numbers, segment_path

_CHUNK_BYTES = 1 << 20


class BackupReport(NamedTuple):
    """How much was copied; `last_transaction` is the number of the newest transaction in it."""

    files: int
    bytes: int
    last_transaction: int


def backup(store: JsonFileStore, destination: Path) -> BackupReport:
    """Copy the store to the new folder `destination`, durably; it is a data folder like any other.

    Raises Conflict when `destination` exists or lies in the data folder, Damaged when a file was
    edited meanwhile, StorageFull or Unavailable when the disk does not allow it; nothing of that
    name is there then. Removes what backups that were killed have left beside it.
    """
    with translating_os_errors(COPYING), ExitStack() as opened:
        with store.exclusive_write():
            store.refuse_edits()
            last_transaction = store.replica.wal.seq
            sources = [opened.enter_context(path.open("rb")) for path in _paths(store)]
            sizes = [os.fstat(source.fileno()).st_size for source in sources]
        with new_data_folder(destination, store.folder, BACKUP_STEM) as copy:
            (copy / "journal").mkdir(mode=0o700)
            for source, size in zip(sources, sizes, strict=True):
                _copy(source, size, copy / Path(source.name).relative_to(store.folder))
            return _report(copy, last_transaction)


def backup_contents(
    contents: Contents,
    collections: Iterable[Collection],
    schema: int,
    data: Path,
    destination: Path,
    advance: Callable[[int], None],
) -> BackupReport:
    """Write everything of a store without files, and the folders in `data`, as `backup` does.

    For `schema`, `advance` and errors see `write_folder` and `new_data_folder`.
    """
    with new_data_folder(destination, data, BACKUP_STEM) as copy:
        write_folder(copy, collections, schema, contents, advance)
        return _report(copy, contents.position)


def _report(copy: Path, last_transaction: int) -> BackupReport:
    """Write the manifest."""
    sizes = write_manifest(copy)
    return BackupReport(len(sizes), sum(sizes), last_transaction)


def _paths(store: JsonFileStore) -> Iterator[Path]:
    yield from (path_of(store.folder, name) for name in store.replica.file_records())
    journal = store.folder / "journal"
    yield from (segment_path(journal, number) for number in segment_numbers(journal))


def _copy(source: IO[bytes], left: int, path: Path) -> None:
    """Copy the first `left` bytes, those there were at the opening, durably but for the name."""
    path.touch(mode=0o600, exist_ok=False)
    with path.open("wb") as copy:
        while left and (piece := source.read(min(left, _CHUNK_BYTES))):
            copy.write(piece)
            left -= len(piece)
        copy.flush()
        os.fsync(copy.fileno())
