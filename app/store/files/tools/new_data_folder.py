"""Begins a new data folder with what services keep beside the documents, such as mail/.

The caller writes the documents. See new_folder.py for what is left of a process that is killed.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.kernel.errors import Conflict, Unavailable
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.tools.new_folder import copy_folder, is_unfinished, new_folder
from app.system.disk import copy_file, make_folder, write_new

COPYING = "copying the data folder"
"""The activity that errors of the disk name."""

_DATABASE = ".sqlite"


@contextmanager
def new_data_folder(destination: Path, data: Path, stem: str) -> Iterator[Path]:
    """Yield a folder that has the folders in `data` but the journal; see `new_folder` for the rest.

    Raises Conflict when `destination` exists or lies in `data`, StorageFull or Unavailable when the
    disk does not allow it; nothing of that name is there then.
    """
    with translating_os_errors(COPYING):
        destination = _checked(destination, data)
        make_folder(destination.parent)
        with new_folder(destination, stem) as copy:
            for path in data.iterdir():
                if path.is_dir() and path.name != "journal" and not is_unfinished(path):
                    copy_folder(path, copy / path.name, _is_left_out, _copy_other)
            yield copy


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
