"""`flask backup`: a copy of the data folder as of one moment, taken while the service runs.

All files are opened under the store's lock, which takes about a millisecond. Checkpoint files never
change, and the journal only grows, so copying what was there can take its time afterwards. The
folders that services keep beside these files, such as mail/, come last: what the copied files say
was done stands in there by then.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.kernel.disk import copy_file, make_folder, sync_folder
from app.kernel.errors import Conflict, Unavailable
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.store import JsonFileStore
from app.store.files.wal.segment import segment_numbers, segment_path

_CHUNK_BYTES = 1 << 20


class Backup(NamedTuple):
    """What was copied; `last_transaction` is the number of the newest transaction in it."""

    files: int
    bytes: int
    last_transaction: int


class _Source(NamedTuple):
    path: Path
    file: BinaryIO
    bytes: int


def backup(store: JsonFileStore, destination: Path) -> Backup:
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
            sources = [_open(path, opened) for path in _paths(store)]
        make_folder(destination.parent)
        others = _copy_all(store.folder, sources, destination)
    sizes = [*others, *(source.bytes for source in sources)]
    return Backup(len(sizes), sum(sizes), last_transaction)


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


def _open(path: Path, opened: ExitStack) -> _Source:
    file = opened.enter_context(path.open("rb"))
    return _Source(path, file, os.fstat(file.fileno()).st_size)


def _copy_all(folder: Path, sources: Iterable[_Source], destination: Path) -> list[int]:
    """Copy under a temporary name, then give the name; nothing is left behind by a failure.

    Returns the sizes of the files that are not among `sources`.
    """
    prefix = f".{destination.name}."
    temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=destination.parent))
    try:
        (temporary / "journal").mkdir(mode=0o700)
        for source in sources:
            _copy(source, temporary / source.path.relative_to(folder))
        others = [
            size
            for path in folder.iterdir()
            if path.is_dir() and path.name != "journal"
            for size in _copy_folder(path, temporary / path.name)
        ]
        os.sync()  # these may be many small files, for each of which a sync would take its time
        sync_folder(temporary / "journal")
        sync_folder(temporary)
        temporary.rename(destination)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(destination.parent)
    return others


def _copy_folder(folder: Path, copy: Path) -> Iterator[int]:
    """Copy the files in `folder`, and yield their sizes.

    What is still being written (in a folder tmp/, as in a Maildir) is left out, and so is what goes
    away meanwhile.
    """
    copy.mkdir(mode=0o700)
    for path in folder.iterdir():
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from _copy_folder(path, copy / path.name)
        elif folder.name != "tmp":
            with suppress(FileNotFoundError):
                copy_file(path, copy / path.name)
                yield (copy / path.name).stat().st_size


def _copy(source: _Source, path: Path) -> None:
    """Copy as many bytes as there were; what was appended since is left out."""
    left = source.bytes
    path.touch(mode=0o600, exist_ok=False)
    with path.open("wb") as copy:
        while left and (piece := source.file.read(min(left, _CHUNK_BYTES))):
            copy.write(piece)
            left -= len(piece)
        copy.flush()
        os.fsync(copy.fileno())
