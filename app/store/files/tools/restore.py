"""Restores a backup (backup.py) as the data folder, whole or not at all: `flask restore`.

The copy is made and verified under a temporary name beside the data folder, and renamed only then.
The backup itself is not changed. The data folder must hold no document: no shop is replaced.

When a restore is killed, the data folder is complete, or has no more than before. In that case its
temporary folder is left, and no shop begins beside it (`refuse_unfinished_restore`): a service that
starts after a power cut would take orders without those of the backup.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

from app.kernel.errors import Conflict, Damaged, Invalid, Problem
from app.store import Collection
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.owner import refuse_root_for_others
from app.store.files.folder.open import is_data_folder, read_headers
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.tools.exclusive_access import LOCKS, is_served
from app.store.files.tools.manifest import MANIFEST, differences, digest_files, read_manifest
from app.store.files.tools.new_folder import (
    copy_folder,
    find_unfinished,
    is_unfinished,
    new_folder,
    restore_stem,
    sync_tree,
)
from app.store.files.tools.verify import VerifyReport, verify
from app.system.disk import make_folder

_MAX_FAULTS_SHOWN = 5


class RestoreReport(NamedTuple):
    """How much was copied; `last_transaction` is the number of the newest transaction in it."""

    files: int
    bytes: int
    documents: int
    last_transaction: int


def restore(
    backup: Path,
    folder: Path,
    collections: Iterable[Collection],
    *,
    needs_manifest: bool = True,
) -> RestoreReport:
    """Make `folder` a copy of `backup`, durably, after verifying every file and checksum in it.

    Without `needs_manifest`, a backup may lack one; then only the store's own checksums count.

    Raises Conflict when `folder` is served or holds anything, Invalid when `backup` is no backup,
    Damaged when it is not as it was written, OtherUser for root in another user's folder,
    StorageFull or Unavailable when the disk does not allow it; `folder` is then as it was.
    """
    with _verified_copy(backup, folder, collections, needs_manifest) as (_, report):
        return report


def restore_documents(
    backup: Path,
    folder: Path,
    collections: Iterable[Collection],
    load: Callable[[Path], None],
    *,
    needs_manifest: bool = True,
) -> RestoreReport:
    """Restore a backup to a store without files: see `restore` for the parameters and errors.

    `load` is given a verified copy of the backup, which it may change, and loads its documents.
    `folder` gets the rest, such as mail/. Errors of `load` go on to the caller.
    """
    names = _file_names(folder, collections)
    with _verified_copy(backup, folder, collections, needs_manifest) as (copy, report):
        load(copy)
        for path in copy.iterdir():
            if path.name in (*names, *LOCKS):
                path.unlink()
        rmtree(copy / "journal")
        return report


def refuse_unfinished_restore(folder: Path) -> None:
    """Raise Conflict where a restore to the data folder runs, or was killed before its end."""
    place = folder.resolve()
    if os.access(place.parent, os.R_OK) and not os.access(place / "journal", os.F_OK):
        for each in find_unfinished(place.parent, restore_stem(place)):
            raise Conflict(
                f"A restore to {folder.name}/ has not ended. If it was interrupted, run `flask "
                f"restore` again; or remove {each.name}/ beside it, to begin a new shop."
            )


@contextmanager
def _verified_copy(
    backup: Path, folder: Path, collections: Iterable[Collection], needs_manifest: bool
) -> Iterator[tuple[Path, RestoreReport]]:
    """Yield a copy of the backup, which becomes `folder` at the end of the block."""
    names = _file_names(folder, collections)
    _refuse_other_folders(backup, (*collections, COUNTERS))
    with translating_os_errors(f"restoring {backup.name}"):
        _refuse_filled(folder, names)
        refuse_root_for_others(folder)
        listed = read_manifest(backup)
        if listed is None and needs_manifest:
            raise Damaged(
                f"{backup.name} has no {MANIFEST}: it is not whole, or an older Daybook wrote it. "
                "Take another backup; or restore it with --without-manifest, which cannot tell "
                "whether its newest orders and its mail are missing."
            )
        place = folder.resolve()
        make_folder(place.parent)
        with new_folder(place, restore_stem(place)) as copy:
            copy_folder(backup, copy, lambda path: _is_left_out(path, backup))
            files = digest_files(copy)
            found = verify(copy, collections)
            _refuse_faults(found, [] if listed is None else differences(listed, files))
            last = read_headers(copy)[0].after + found.transactions
            size = sum(each.bytes for each in files.values())
            yield copy, RestoreReport(len(files), size, found.documents, last)
            sync_tree(copy)  # before the files in place are removed
            _refuse_filled(folder, names)  # a service may have started meanwhile
            for path in place.iterdir() if place.exists() else ():
                path.unlink()


def _file_names(folder: Path, collections: Iterable[Collection]) -> set[str]:
    return {path_of(folder, each.name).name for each in (*collections, COUNTERS)}


def _refuse_other_folders(backup: Path, collections: Iterable[Collection]) -> None:
    if is_unfinished(Path(os.path.realpath(backup))):
        text = f"{backup.name} was left by a command that was interrupted, and is no backup."
        raise Invalid([Problem("", text)])
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


def _is_left_out(path: Path, backup: Path) -> bool:
    return path.parent == backup and path.name in (*LOCKS, MANIFEST)


def _refuse_faults(found: VerifyReport, different: Iterable[str]) -> None:
    """Raise Damaged for a copy that is not what was written."""
    faults = [str(each) for each in found.faults if not each.heals]
    if not found.segments:
        faults.append("journal/ is empty")
    faults.extend(different)
    if faults:
        text = "; ".join(faults[:_MAX_FAULTS_SHOWN])
        raise Damaged(f"The backup is damaged, and nothing was restored: {text}")
