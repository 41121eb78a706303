"""Durable writes of files and folders, for the store and the mail folder.

Every function raises OSError as the system gives it.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write every byte at `offset`, continuing after short writes; not synced."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def write_new(path: Path, data: bytes) -> None:
    """Write and sync a whole file (mode 0600), not through a link.

    Its name is durable only after `sync_folder`.
    """
    write_new_files({path: data})


def write_new_files(files: Mapping[Path, bytes]) -> None:
    """Write and sync whole files as `write_new` does; all are written before the first sync."""
    with ExitStack() as opened:
        fds = []
        for path, data in files.items():
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            opened.callback(os.close, fd)
            write_all(fd, data, 0)
            fds.append(fd)
        for fd in fds:
            _start_writing(fd)  # so that the first sync hardly leaves anything to the others
        for fd in fds:
            os.fsync(fd)


def _start_writing(fd: int) -> None:
    """Have the system begin to write the file, without waiting. Only Linux can."""
    if sys.platform == "linux":
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def copy_file(path: Path, copy: Path) -> None:
    """Copy `path` to the new file `copy` (mode 0600), not synced; only if `path` exists."""
    with path.open("rb") as source:
        copy.touch(mode=0o600, exist_ok=False)
        with copy.open("wb") as target:
            shutil.copyfileobj(source, target)


def size_bytes(path: Path) -> int:
    """The size of a file; 0 where another process has removed it meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def sync_folder(folder: Path) -> None:
    """Make creations, renames and removals in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Create `folder` (mode 0700) and its parents, durably, unless it exists."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_folder(folder.parent)
