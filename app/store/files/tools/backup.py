"""Backs the data folder up as of one moment, while the service runs: `flask backup`.

All files are opened under store.lock, which takes about a millisecond. Checkpoint files never
change, and the journal only grows, so the bytes that were there can be copied afterwards. The
folders that services keep beside these files, such as mail/ and gateway/, come next: they then hold
everything that the copied files say was done. The manifest (manifest.py) comes last, and only a
complete backup gets its name.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, NamedTuple

from app.kernel.errors import Conflict, Unavailable
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.store import JsonFileStore
from app.store.files.tools.manifest import write_manifest
from app.store.files.tools.new_folder import (
    BACKUP_STEM,
    copy_folder,
    is_unfinished,
    new_folder,
)
from app.store.files.wal.segment import segment_numbers, segment_path
from app.system.disk import copy_file, make_folder, write_new

_CHUNK_BYTES = 1 << 20
_DATABASE = ".sqlite"


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
    with translating_os_errors("copying the data folder"), ExitStack() as opened:
        destination = _checked(destination, store.folder)
        with store.exclusive_write():
            store.refuse_edits()
            last_transaction = store.replica.wal.seq
            sources = [opened.enter_context(path.open("rb")) for path in _paths(store)]
            sizes = [os.fstat(source.fileno()).st_size for source in sources]
        make_folder(destination.parent)
        with new_folder(destination, BACKUP_STEM) as copy:
            (copy / "journal").mkdir(mode=0o700)
            for source, size in zip(sources, sizes, strict=True):
                _copy(source, size, copy / Path(source.name).relative_to(store.folder))
            for path in store.folder.iterdir():
                if path.is_dir() and path.name != "journal" and not is_unfinished(path):
                    copy_folder(path, copy / path.name, _is_left_out, _copy_other)
            sizes = write_manifest(copy)
    return BackupReport(len(sizes), sum(sizes), last_transaction)


def _checked(destination: Path, data: Path) -> Path:
    """Return the absolute path of the new folder. Raises Conflict, Unavailable or OSError."""
    place = Path(os.path.realpath(destination))  # unlike Path.resolve, it takes a loop of links
    if place.exists() or place.is_symlink():
        raise Conflict(f"{place.name} exists already; give a new name.")
    if place.is_relative_to(data.resolve()):
        raise Conflict(f"{place.name} would lie in the data folder; give a place outside.")
    there = next(each for each in place.parents if each.exists())
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=True) or not there.is_dir():
        raise Unavailable(
            f"Nothing can be written to {there.name or there}/ by this user; give another place."
        )
    return place


def _is_left_out(path: Path) -> bool:
    """Whether a file is still being written, as in tmp/ of a Maildir, or SQLite's own beside it."""
    return path.parent.name == "tmp" or path.name.endswith((f"{_DATABASE}-wal", f"{_DATABASE}-shm"))


def _copy_other(path: Path, copy: Path) -> None:
    """Copy a file that the store does not know; SQLite gives its databases as of one moment."""
    if path.suffix == _DATABASE and path.stat().st_size:
        write_new(copy, _serialize(path))
    else:
        copy_file(path, copy)


def _serialize(path: Path) -> bytes:
    """The bytes of a database, with those that its WAL file has only. Raises Unavailable."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
            database.execute("PRAGMA schema_version").fetchone()  # the error says what is wrong
            return database.serialize()
    except sqlite3.Error as error:
        raise Unavailable(f"{path.parent.name}/{path.name} cannot be copied: {error}.") from None


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
