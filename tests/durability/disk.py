"""The disk as a tape: every file operation that this process makes below one folder, in order.

`Disk` stands between Python and the operating system: while it is installed, the functions of `os`
that the store works with are wrapped. Each call is a `Step`. Before it is made, `before` may let
the process die, raise the error that a failing disk would raise, or have a write be short. After it
was made it is an `Entry` on the tape, from which power_loss.py computes what a disk may hold.

Reads through a mapping, and lock files (which are empty), are not recorded.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CREATE, WRITE, CUT, SYNC = "create", "write", "truncate", "fsync"
RENAME, REMOVE, MAKE_FOLDER, SYNC_FOLDER = "rename", "unlink", "mkdir", "fsync folder"
OPEN, READ = "open", "read"
SYNC_FAILED, ACKNOWLEDGED = "failed fsync", "acknowledged"


class Step(NamedTuple):
    """The `number`th call (from 1), about to be made on `name` (relative to the folder)."""

    number: int
    call: str
    name: str

    def __str__(self) -> str:
        return f"{self.call} {self.name}"


class Entry(NamedTuple):
    """A call that was made. `file` identifies a file whatever its name.

    `through`: a sync concerns the entries before this one, not those written while it ran.
    `data`: what was written, the new name of a rename, or what was acknowledged.
    """

    call: str
    name: str
    file: int = 0
    offset: int = 0
    data: Any = None
    through: int = 0


def let_pass(_step: Step) -> None:
    """The `before` of a disk that works."""


class Disk:
    """Install it with `with disk:`; `tape` is what has happened.

    `before` is called with each step that changes something, and with `reads=True` also with those
    that open and read. It may return how many bytes of a write are to be written.
    """

    def __init__(
        self,
        folder: Path,
        before: Callable[[Step], int | None] = let_pass,
        *,
        reads: bool = False,
        halves: bool = False,
        overlap_s: float = 0.0,
    ) -> None:
        """With `halves`, a write first writes its first half, and is then a short one.

        With `overlap_s`, a sync takes so many seconds unless something is written meanwhile, which
        it then does not concern.
        """
        self._folder = os.fspath(folder)
        self._before = before
        self._reads = reads
        self._halves = halves
        self._overlap_s = overlap_s
        self._lock = threading.RLock()
        self._moved = threading.Condition(self._lock)
        self._file_of_inode: dict[int, int] = {}
        self._name_of_file: dict[int, str] = {}
        self._folder_of_fd: dict[int, str] = {}
        self._halved: set[int] = set()
        self._patch = pytest.MonkeyPatch()
        self._real = {name: getattr(os, name) for name in _WRAPPED}
        self.steps = 0
        self.tape: list[Entry] = []

    def __enter__(self) -> "Disk":
        for name in _WRAPPED:
            self._patch.setattr(os, name, getattr(self, f"_{name}"))
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def acknowledge(self, fact: object) -> None:
        """Record that `fact` was acknowledged: from here on it must not be lost."""
        with self._lock:
            self.tape.append(Entry(ACKNOWLEDGED, "", data=fact))

    def _open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        name = self._name(path)
        if name is None:
            return int(self._real["open"](path, flags, mode, **more))
        with self._lock:
            is_new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
            changes = is_new or bool(flags & os.O_TRUNC)
            if not name.endswith(".lock") and (changes or self._reads):
                self._step(CREATE if changes else OPEN, name)
            fd = int(self._real["open"](path, flags, mode, **more))
            self._folder_of_fd.pop(fd, None)
            if flags & os.O_DIRECTORY:
                self._folder_of_fd[fd] = name
            elif not name.endswith(".lock") and changes:
                self._opened(fd, name, is_new=is_new)
            return fd

    def _opened(self, fd: int, name: str, *, is_new: bool) -> None:
        inode = os.fstat(fd).st_ino
        if is_new or inode not in self._file_of_inode:  # it was there before, or copied
            file = len(self._name_of_file) + 1
            self._file_of_inode[inode] = file
            self._name_of_file[file] = name
            self.tape.append(Entry(CREATE, name, file))
        else:
            self.tape.append(Entry(CUT, name, self._file_of_inode[inode], 0))

    def _pread(self, fd: int, length: int, offset: int) -> bytes:
        file = self._file(fd)
        if file and self._reads:
            with self._lock:
                self._step(READ, self._name_of_file[file])
        data: bytes = self._real["pread"](fd, length, offset)
        return data

    def _pwrite(self, fd: int, data: Any, offset: int) -> int:
        file = self._file(fd)
        if not file:
            return int(self._real["pwrite"](fd, data, offset))
        with self._lock:
            name = self._name_of_file[file]
            length = self._step(WRITE, name)
            if length is None and self._halves and file not in self._halved:
                self._halved.add(file)
                length = len(data) // 2
            else:
                self._halved.discard(file)
            written: int = self._real["pwrite"](fd, data[:length], offset)
            self.tape.append(Entry(WRITE, name, file, offset, bytes(data[:written])))
            self._moved.notify_all()
            return written

    def _ftruncate(self, fd: int, length: int) -> None:
        file = self._file(fd)
        with self._lock:
            if file:
                self._step(CUT, self._name_of_file[file])
            self._real["ftruncate"](fd, length)
            if file:
                self.tape.append(Entry(CUT, self._name_of_file[file], file, length))

    def _fsync(self, fd: int) -> None:
        self._sync(fd, "fsync")

    def _fdatasync(self, fd: int) -> None:
        self._sync(fd, "fdatasync")

    def _sync(self, fd: int, how: str) -> None:
        """Other threads may write during the sync, so no lock is held then."""
        file = self._file(fd)
        name = self._name_of_file[file] if file else self._folder_of_fd.get(fd)
        if name is None:
            self._real[how](fd)
            return
        with self._lock:
            through = len(self.tape)
            try:
                self._step(SYNC if file else SYNC_FOLDER, name)
            except OSError:
                self.tape.append(Entry(SYNC_FAILED, name, file, through=through))
                raise
            if self._overlap_s and file:
                self._moved.wait_for(lambda: len(self.tape) > through, self._overlap_s)
        self._real[how](fd)
        with self._lock:
            call = SYNC if file else SYNC_FOLDER
            self.tape.append(Entry(call, name, file, through=through))

    def _replace(self, old: Any, new: Any, **more: Any) -> None:
        self._move("replace", old, new, more)

    def _rename(self, old: Any, new: Any, **more: Any) -> None:
        self._move("rename", old, new, more)

    def _move(self, how: str, old: Any, new: Any, more: dict[str, Any]) -> None:
        name, becomes = self._name(old), self._name(new)
        with self._lock:
            if name is None or becomes is None:
                self._real[how](old, new, **more)
                return
            self._step(RENAME, becomes)
            self._real[how](old, new, **more)
            for file, known in self._name_of_file.items():
                if known == name:
                    self._name_of_file[file] = becomes
                elif known == becomes:
                    self._name_of_file[file] = f"{known} (replaced)"
            self.tape.append(Entry(RENAME, name, data=becomes))

    def _unlink(self, path: Any, **more: Any) -> None:
        name = self._name(path)
        with self._lock:
            if name is not None and os.path.lexists(path):
                self._step(REMOVE, name)
            self._real["unlink"](path, **more)
            if name is not None:
                for file, known in self._name_of_file.items():
                    if known == name:
                        self._name_of_file[file] = f"{known} (removed)"
                self.tape.append(Entry(REMOVE, name))

    def _mkdir(self, path: Any, *more: Any, **others: Any) -> None:
        name = self._name(path)
        with self._lock:
            if name is not None:
                self._step(MAKE_FOLDER, name)
            self._real["mkdir"](path, *more, **others)
            if name is not None:
                self.tape.append(Entry(MAKE_FOLDER, name))

    def _step(self, call: str, name: str) -> int | None:
        self.steps += 1
        return self._before(Step(self.steps, call, name))

    def _file(self, fd: int) -> int:
        return self._file_of_inode.get(os.fstat(fd).st_ino, 0)

    def _name(self, path: Any) -> str | None:
        """The path below the folder; None for one that is elsewhere."""
        text = os.fspath(path)
        if text == self._folder:
            return "."
        inside = text.startswith(self._folder + os.sep)
        return text[len(self._folder) + 1 :] if inside else None


_WRAPPED = (
    *("open", "pread", "pwrite", "ftruncate", "fsync", "fdatasync"),
    *("replace", "rename", "unlink", "mkdir"),
)
