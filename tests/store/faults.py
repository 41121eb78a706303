"""Simulated disks that are full, fail or lose power; only functions of `os` are replaced.

A full disk is a limit on the size of files (RLIMIT_FSIZE): writes stop in the middle of a line, as
they do on a full disk, and the error is EFBIG instead of ENOSPC.
"""

import ctypes
import errno
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

_CAPABILITY_VERSION_3 = 0x20080522
_OVERRIDES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""

_STEPS = ("pwrite", "fsync", "fdatasync", "ftruncate", "replace", "rename", "unlink")


@contextmanager
def full_disk(max_file_bytes: int) -> Iterator[None]:
    """Limit every file of this process to so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[list[str]]:
    """A disk of so many bytes, all for `folder`; gives the files that found no space on it."""
    refused: list[str] = []
    statvfs, pwrite = os.statvfs, os.pwrite

    def free() -> int:
        return size_bytes - sum(each.stat().st_size for each in folder.rglob("*"))

    def measured(path: Any) -> os.statvfs_result:
        fields = list(statvfs(path)[:11])
        fields[1], fields[4] = 1, max(free(), 0)  # f_frsize and f_bavail
        return os.statvfs_result(fields)

    def written(fd: int, data: Any, offset: int) -> int:
        if max(offset + len(data) - os.fstat(fd).st_size, 0) > free():
            refused.append(Path(f"/proc/self/fd/{fd}").readlink().name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(fd, data, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "statvfs", measured)
        patch.setattr(os, "pwrite", written)
        yield refused


@contextmanager
def no_open_files() -> Iterator[int]:
    """Let this process open no further file; gives its limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield lowest_free
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_files(folder: Path) -> list[str]:
    """The files in `folder` that this process has open, once for each descriptor."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor by which the list is read is closed by now
            found.append(str(each.readlink()))
    return [path for path in found if path.startswith(f"{folder}/")]


@contextmanager
def no_rights(path: Path, mode: int = 0) -> Iterator[None]:
    """Give `path` this mode, and enforce it for this thread even when root runs the tests."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        with _no_override():
            yield
    finally:
        path.chmod(before)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nothing in `folder` be written or created."""
    with ExitStack() as stack:
        for path in (folder, *folder.rglob("*")):
            stack.enter_context(no_rights(path, 0o500 if path.is_dir() else 0o400))
        yield


@contextmanager
def _no_override() -> Iterator[None]:
    """Drop the capabilities by which root ignores file modes (capabilities(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    before = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    after = (ctypes.c_uint32 * 6)(*before)
    after[0] &= ~_OVERRIDES
    assert libc.capset(header, after) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


class Killed(BaseException):
    """Stands for the death of the process; a BaseException, so that the store does not catch it."""


def survives(act: Callable[[], Any], steps: int) -> bool:
    """Run `act` and kill it after so many disk operations; returns whether it finished before.

    A write at which it dies is written by half. What was written stays, as after kill -9.
    """
    left = [steps]

    def dying(step: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **options: Any) -> Any:
            if left[0] <= 0:
                if left[0] == 0 and step is pwrite:
                    fd, data, offset = arguments
                    pwrite(fd, data[: len(data) // 2], offset)
                left[0] = -1
                raise Killed
            left[0] -= 1
            return step(*arguments, **options)

        return stepped

    pwrite = os.pwrite
    with pytest.MonkeyPatch.context() as patch:
        for name in _STEPS:
            patch.setattr(os, name, dying(getattr(os, name)))
        try:
            act()
        except Killed:
            return False
    return True


class UnreliableDisk:
    """A disk that loses what was not synced when the power fails, and whose syncs may fail.

    As on Linux, a failed sync marks its pages as clean: the next sync succeeds without writing
    them.
    """

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self._journal = folder / "journal"
        self._on_disk: dict[int, bytearray] = {}
        self._dirty: dict[int, list[tuple[int, int]]] = {}
        self._failing = 0
        self._pwrite = os.pwrite
        patch.setattr(os, "pwrite", self._written)
        patch.setattr(os, "fsync", self._synced)
        patch.setattr(os, "fdatasync", self._synced)

    def fail_syncs(self, number: int) -> None:
        """The next so many syncs fail."""
        self._failing = number

    def after_power_loss(self, copy: Path) -> Path:
        """A copy of the data folder, with the journal as it is after a power loss now."""
        shutil.copytree(self._journal.parent, copy)
        for path in self._journal.iterdir():
            on_disk = self._on_disk.get(path.stat().st_ino)
            if on_disk is not None:
                (copy / "journal" / path.name).write_bytes(on_disk)
        return copy

    def _written(self, fd: int, data: bytes, offset: int) -> int:
        written = self._pwrite(fd, data, offset)
        self._dirty.setdefault(os.fstat(fd).st_ino, []).append((offset, written))
        return written

    def _synced(self, fd: int) -> None:
        number = os.fstat(fd).st_ino
        dirty = self._dirty.pop(number, [])
        if self._failing:
            self._failing -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        on_disk = self._on_disk.setdefault(number, bytearray())
        for offset, length in dirty:
            on_disk.extend(bytes(max(0, offset + length - len(on_disk))))
            reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
            on_disk[offset : offset + length] = os.pread(reader, length, offset)
            os.close(reader)


FALLIBLE_CALLS = ("open", "fstat", "pread", "pwrite", "fsync", "fdatasync", "replace")
"""The functions of `os` by which the store works on files, and which the disk can make fail."""


@contextmanager
def failing_call(name: str, at: int) -> Iterator[list[str]]:
    """Let the call number `at` (from 1) of `os.NAME` fail with EIO; gives the names that failed."""
    call, left, failed = getattr(os, name), [at], list[str]()

    def counted(*arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            failed.append(name)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return call(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, counted)
        yield failed
