"""Restores a backup (backup.py) as the data folder, whole or not at all: `flask restore`.

The copy is made and verified under a temporary name beside the data folder, and renamed only then.
The backup itself is not changed. The data folder must hold no document: no shop is replaced.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from app.kernel.disk import make_folder
from app.kernel.errors import Conflict, Damaged, Invalid, Problem
from app.store import Collection
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.owner import refuse_root_for_others
from app.store.files.folder.open import is_data_folder, read_headers
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.tools.exclusive_access import LOCKS, is_served
from app.store.files.tools.new_folder import copy_folder, new_folder, sync_tree
from app.store.files.tools.verify import VerifyReport, verify

_MAX_FAULTS_SHOWN = 5


class RestoreReport(NamedTuple):
    """How much was copied; `last_transaction` is the number of the newest transaction in it."""

    files: int
    bytes: int
    documents: int
    last_transaction: int


def restore(backup: Path, folder: Path, collections: Iterable[Collection]) -> RestoreReport:
    """Make `folder` a copy of `backup`, durably, after verifying every checksum in it.

    Raises Conflict when `folder` is served or holds anything, Invalid when `backup` is no backup,
    Damaged when it is not as it was written, OtherUser for root in another user's folder,
    StorageFull or Unavailable when the disk does not allow it; `folder` is then as it was.
    """
    names = {path_of(folder, each.name).name for each in (*collections, COUNTERS)}
    _refuse_other_folders(backup, (*collections, COUNTERS))
    with translating_os_errors(f"restoring {backup.name}"):
        _refuse_filled(folder, names)
        refuse_root_for_others(folder)
        place = folder.resolve()
        make_folder(place.parent)
        with new_folder(place) as copy:
            sizes = copy_folder(backup, copy, lambda path: path.name in LOCKS)
            found = _verified(copy, collections)
            sync_tree(copy)  # before the files in place are removed
            for path in place.iterdir() if place.exists() else ():
                path.unlink()
        last = read_headers(folder)[0].after + found.transactions
    return RestoreReport(len(sizes), sum(sizes), found.documents, last)


def _refuse_other_folders(backup: Path, collections: Iterable[Collection]) -> None:
    if not is_data_folder(backup, collections) or not (backup / "journal").is_dir():
        text = f"There is no backup in {backup}: give a folder that `flask backup` wrote."
        raise Invalid([Problem("", text)])
    if is_served(backup):
        raise Conflict(
            f"{backup.name} is a shop that is served now, and no backup: `flask backup` makes one."
        )


def _refuse_filled(folder: Path, names: set[str]) -> None:
    if is_served(folder):
        raise Conflict(f"The service runs on {folder.name}/. Stop it, and restore to a new folder.")
    if folder.exists() and not all(_is_empty_file(path, names) for path in folder.iterdir()):
        raise Conflict(
            f"{folder.name}/ holds something, and nothing is overwritten. Move it away, or set "
            "DAYBOOK_DATA to a new folder."
        )


def _is_empty_file(path: Path, names: set[str]) -> bool:
    """Whether it is a file of the store without a document, as it comes with a clone."""
    return path.name in names and path.read_bytes().split() in ([b"[]"], [b"[", b"]"])


def _verified(copy: Path, collections: Iterable[Collection]) -> VerifyReport:
    """Verify the copy. Raises Damaged where it differs from what was written."""
    found = verify(copy, collections)
    faults = [str(each) for each in found.faults if not each.heals]
    if faults:
        text = "; ".join(faults[:_MAX_FAULTS_SHOWN])
        raise Damaged(f"The backup is damaged, and nothing was restored: {text}")
    return found
