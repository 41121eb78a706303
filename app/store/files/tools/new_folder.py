"""A new folder that appears under its name complete and durable, or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from app.kernel.disk import copy_file, sync_folder
from app.store.files.disk.filesystem import translating_os_errors


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; the end of the block renames it to `path`.

    The folder and everything in it are then durable. When the block raises, nothing is left.
    Raises OSError.
    """
    with TemporaryDirectory(
        prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)
        sync_tree(Path(name))
        Path(name).rename(path)
    sync_folder(path.parent)


def begin_as_copy(folder: Path, model: Path) -> None:
    """Make `folder` a copy of the folder `model`, durably; does nothing where either is missing.

    Raises StorageFull or Unavailable.
    """
    if folder.exists() or not model.is_dir():
        return
    with translating_os_errors(f"beginning the data folder {folder.name}/"):
        try:
            with new_folder(folder.resolve()) as copy:
                copy_folder(model, copy)
        except OSError:
            if not folder.exists():  # else another process has begun it
                raise


def sync_tree(folder: Path) -> None:
    """Make everything in `folder` durable.

    There may be many small files: one sync of the file system is faster than one for each of them.
    """
    os.sync()
    for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sync_folder(each)


def copy_folder(
    folder: Path, copy: Path, leave_out: Callable[[Path], bool] = lambda _: False
) -> list[int]:
    """Copy the files in `folder` to the folder `copy`, not synced; returns their sizes.

    Symbolic links are left out, and so are files for which `leave_out` is true, and those that are
    removed meanwhile.
    """
    copy.mkdir(mode=0o700, exist_ok=True)
    sizes: list[int] = []
    for path in folder.iterdir():
        if path.is_symlink():
            continue
        if path.is_dir():
            sizes += copy_folder(path, copy / path.name, leave_out)
        elif not leave_out(path):
            with suppress(FileNotFoundError):
                copy_file(path, copy / path.name)
                sizes.append((copy / path.name).stat().st_size)
    return sizes
