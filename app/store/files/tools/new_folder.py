"""A new folder that appears under its name complete and durable, or not at all.

It is made beside its place under a temporary name, STEM.XXXXXXXX, and locked (flock) until it has
its own. A process that is killed leaves a folder that nobody locks: the next one with the same stem
in that place removes it.
"""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from filelock import lock_descriptor

from app.kernel.errors import Conflict
from app.store.files.disk.filesystem import translating_os_errors
from app.system.disk import copy_file, sync_folder

_STEM_START = ".daybook-"
BACKUP_STEM = f"{_STEM_START}backup"
COPY_STEM = f"{_STEM_START}copy"

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def restore_stem(folder: Path) -> str:
    """The stem of a folder that is to become the data folder `folder`."""
    return f"{_STEM_START}restore-{folder.name}"


@contextmanager
def new_folder(path: Path, stem: str = COPY_STEM) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; the end of the block renames it to `path`.

    The folder and everything in it are then durable. When the block raises, nothing is left.
    Raises OSError, or Conflict where another process has taken the name meanwhile.
    """
    for each in find_unfinished(path.parent, stem):
        with suppress(OSError), _locked(each) as is_left_over:
            if is_left_over:
                rmtree(each, ignore_errors=True)
    with ExitStack() as held:
        copy = _make_locked(path.parent, stem, held)
        try:
            yield copy
            sync_tree(copy)
            _rename(copy, path)
        except BaseException:
            rmtree(copy, ignore_errors=True)
            raise
    sync_folder(path.parent)


def find_unfinished(parent: Path, stem: str) -> list[Path]:
    """The temporary folders of that stem: another process makes them now, or left them."""
    return [path for path in parent.iterdir() if path.name.rpartition(".")[0] == stem]


def is_unfinished(path: Path) -> bool:
    """Whether `path` has the name of a temporary folder, of any stem."""
    return path.name.startswith(_STEM_START)


def begin_as_copy(folder: Path, model: Path) -> None:
    """Make `folder` a copy of the folder `model`, durably; does nothing where either is missing.

    Raises StorageFull or Unavailable.
    """
    if folder.exists() or not model.is_dir():
        return
    doing = f"beginning the data folder {folder.name}/"
    with translating_os_errors(doing), suppress(Conflict), new_folder(folder.resolve()) as copy:
        copy_folder(model, copy)


def sync_tree(folder: Path) -> None:
    """Make everything in `folder` durable. Raises OSError, also for a write that failed before.

    There may be many small files: one sync of the file system is faster than one for each of them.
    """
    _sync_file_system(folder)
    for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sync_folder(each)


def copy_folder(
    folder: Path,
    copy: Path,
    leave_out: Callable[[Path], bool] = lambda _: False,
    copy_one: Callable[[Path, Path], None] = copy_file,
) -> None:
    """Copy the files in `folder` to the folder `copy`, not synced, each by `copy_one`.

    Symbolic links, special files and temporary folders are left out, and so are files and folders
    for which `leave_out` is true, and files that are removed meanwhile.
    """
    copy.mkdir(mode=0o700, exist_ok=True)
    for path in folder.iterdir():
        if path.is_symlink() or is_unfinished(path) or leave_out(path):
            continue
        if path.is_dir():
            copy_folder(path, copy / path.name, leave_out, copy_one)
        elif path.is_file():
            with suppress(FileNotFoundError):
                copy_one(path, copy / path.name)


def _make_locked(parent: Path, stem: str, held: ExitStack) -> Path:
    """Make a temporary folder and lock it. Another process may remove it before it is locked."""
    while True:
        copy = Path(mkdtemp(prefix=f"{stem}.", dir=parent))
        with suppress(FileNotFoundError):
            if held.enter_context(_locked(copy)):
                return copy


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock the folder itself; False where another process has locked or removed it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield lock_descriptor(fd, blocking=False) and os.fstat(fd).st_nlink > 0
    finally:
        os.close(fd)


def _rename(copy: Path, path: Path) -> None:
    try:
        copy.rename(path)
    except OSError as error:
        if error.errno in _TAKEN:
            raise Conflict(f"Another process has made {path.name}/ meanwhile.") from None
        raise


def _sync_file_system(folder: Path) -> None:
    """Sync the file system of `folder`; syncfs(2), unlike sync(2), reports failed writes."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)
