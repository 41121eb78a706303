"""Locks between processes: filelock's native lock, each on a file of its own that is never deleted.

`filelock.lock_descriptor` takes the same lock as `filelock.FileLock`, and neither polls slowly nor
falls back to a soft lock. It costs a tenth of it, which counts when every transaction takes one.
"""

import os
from pathlib import Path
from time import sleep

from filelock import lock_descriptor

from app.store.files.disk.filesystem import is_forbidden

POLL_S = 0.0002


class ProcessLock:
    """One lock, held by one process at a time. The threads of a process take turns elsewhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd >= 0

    def acquire(self, timeout_s: float = 0.0, poll_s: float = POLL_S) -> bool:
        """Whether the lock could be had within `timeout_s`. Raises OSError."""
        for _ in range(round(timeout_s / poll_s)):
            if self._try():
                return True
            sleep(poll_s)
        return self._try()

    def release(self) -> None:
        """Let go of the lock; nothing happens when it is not held."""
        if self.is_held:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def is_in_place(self) -> bool:
        """Whether the lock is held, and its file not removed: that would lock nobody out."""
        return self.is_held and os.fstat(self._fd).st_nlink > 0

    def _try(self) -> bool:
        fd = _opened(self._path)
        if lock_descriptor(fd, blocking=False) and os.fstat(fd).st_nlink:
            self._fd = fd
        else:
            os.close(fd)
        return self.is_held


def _opened(path: Path) -> int:
    """The lock file, made where it is missing; who may only read it can still lock it."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if is_forbidden(error) and path.exists():
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        raise
