"""Backs the data folder up as of one moment, while the service runs: `flask backup`.

All files are opened under store.lock, which takes about a millisecond. Checkpoint files never
change, and the journal only grows, so the bytes that were there can be copied afterwards. The
folders that services keep beside these files, such as mail/, come last: they then hold everything
that the copied files say was done.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

from app.kernel.disk import make_folder
from app.kernel.errors import Conflict, Unavailable
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.store import JsonFileStore
from app.store.files.tools.new_folder import copy_folder, new_folder
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
    name is there then.
    """
    if destination.exists():
        raise Conflict(f"{destination.name} exists already; give a new name.")
    if destination.resolve().is_relative_to(store.folder.resolve()):
        raise Conflict(f"{destination.name} would lie in the data folder; give a place outside.")
    _refuse_unwritable(destination)
    with translating_os_errors("copying the data folder"), ExitStack() as opened:
        with store.exclusive_write():
            store.refuse_edits()
            last_transaction = store.replica.wal.seq
            sources = [opened.enter_context(path.open("rb")) for path in _paths(store)]
            sizes = [os.fstat(source.fileno()).st_size for source in sources]
        make_folder(destination.parent)
        with new_folder(destination) as copy:
            (copy / "journal").mkdir(mode=0o700)
            for source, size in zip(sources, sizes, strict=True):
                _copy(source, size, copy / Path(source.name).relative_to(store.folder))
            for path in store.folder.iterdir():
                if path.is_dir() and path.name != "journal":
                    # a file in tmp/ is still being written, as in a Maildir
                    sizes += copy_folder(path, copy / path.name, lambda it: it.parent.name == "tmp")
    return BackupReport(len(sizes), sum(sizes), last_transaction)


def _refuse_unwritable(destination: Path) -> None:
    there = next(each for each in destination.absolute().parents if each.exists())
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=True) or not there.is_dir():
        raise Unavailable(
            f"Nothing can be written to {there.name or there}/ by this user; give another place."
        )


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
