"""`flask restore`: makes a backup (backup.py) the data folder, whole or not at all.

The copy is made and verified under a temporary name beside the data folder, and gets that name only
then. The backup itself is not touched. The data folder must hold nothing: no shop is replaced.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from app.kernel.disk import copy_file, make_folder, sync_folder
from app.kernel.errors import Conflict, Damaged, Invalid, Problem
from app.store import Collection
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.locks import ProcessLock
from app.store.files.folder.open import is_data_folder, read_headers
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.tools.verify import Verification, inspect

_LOCKS = frozenset({"store.lock", "leader.lock", "checkpoint.lock"})
_MOST_TOLD = 5


class Restored(NamedTuple):
    """What was copied; `last_transaction` is the number of the newest transaction in it."""

    files: int
    bytes: int
    documents: int
    last_transaction: int


def restore(backup: Path, folder: Path, collections: Iterable[Collection]) -> Restored:
    """Make `folder` a copy of `backup`, durably, after verifying every checksum in it.

    Raises Conflict when `folder` is served or holds anything, Invalid when `backup` is no backup,
    Damaged when it is not as it was written, StorageFull or Unavailable when the disk does not
    allow it; `folder` is then as it was.
    """
    declared = (*collections, COUNTERS)
    doing = f"restoring {backup.name}"
    _refuse_other_folders(backup, declared)
    with translating_os_errors(doing):
        _refuse_filled(folder, declared)
        place = folder.resolve()
        make_folder(place.parent)
        temporary = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        try:
            sizes = list(_copy_folder(backup, temporary))
            os.sync()  # these may be many small files, for each of which a sync would take its time
            found = _verified(temporary, collections)
            _put_in_place(temporary, place)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        last = read_headers(folder)[0].after + found.transactions
    return Restored(len(sizes), sum(sizes), found.documents, last)


def _refuse_other_folders(backup: Path, declared: Iterable[Collection]) -> None:
    if not is_data_folder(backup, declared) or not (backup / "journal").is_dir():
        told = f"There is no backup in {backup}: give a folder that `flask backup` wrote."
        raise Invalid([Problem("", told)])
    if _is_served(backup):
        raise Conflict(
            f"{backup.name} is a shop that is served now, and no backup: `flask backup` makes one."
        )


def _refuse_filled(folder: Path, declared: Iterable[Collection]) -> None:
    if _is_served(folder):
        raise Conflict(f"The service runs on {folder.name}/. Stop it, and restore to a new folder.")
    if folder.exists() and not all(_holds_nothing(path, declared) for path in folder.iterdir()):
        raise Conflict(
            f"{folder.name}/ holds something, and nothing is overwritten. Move it away, or set "
            "DAYBOOK_DATA to a new folder."
        )


def _is_served(folder: Path) -> bool:
    """Whether some process has the folder open to write."""
    for name in _LOCKS:
        lock = ProcessLock(folder / name)
        if (folder / name).exists():
            if not lock.acquire():
                return True
            lock.release()
    return False


def _holds_nothing(path: Path, declared: Iterable[Collection]) -> bool:
    """Whether it is one of the store's files, without a document: so they come with a clone."""
    names = {path_of(path.parent, each.name).name for each in declared}
    return path.name in names and path.read_bytes().split() in ([b"[]"], [b"[", b"]"])


def _copy_folder(folder: Path, copy: Path) -> Iterator[int]:
    """Copy the files in `folder`, and yield their sizes; links and locks are left out."""
    for path in folder.iterdir():
        if path.is_symlink() or path.name in _LOCKS:
            continue
        if path.is_dir():
            (copy / path.name).mkdir(mode=0o700)
            yield from _copy_folder(path, copy / path.name)
        else:
            copy_file(path, copy / path.name)
            yield path.stat().st_size


def _verified(copy: Path, collections: Iterable[Collection]) -> Verification:
    """What the copy holds. Raises Damaged where a checksum says that it is not what was written."""
    found = inspect(copy, collections)
    bad = [each for each in found.findings if not each.heals]
    if bad:
        told = "; ".join(
            f"{each.file}, byte {each.offset}: {each.text}" for each in bad[:_MOST_TOLD]
        )
        raise Damaged(f"The backup is damaged, and nothing was restored: {told}")
    return found


def _put_in_place(temporary: Path, folder: Path) -> None:
    for each in (temporary, *(path for path in temporary.rglob("*") if path.is_dir())):
        sync_folder(each)
    if folder.exists():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    temporary.rename(folder)
    sync_folder(folder.parent)
