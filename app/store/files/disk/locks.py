"""Locks between processes: filelock's native lock, each on a file of its own that is never deleted.

`filelock.lock_descriptor` takes the same lock as `filelock.FileLock`, but neither sleeps long
between attempts nor falls back to a soft lock. It costs a tenth, and every transaction takes one.
"""

import os
from pathlib import Path
from time import sleep

from filelock import lock_descriptor

from app.store.files.disk.filesystem import open_read_write, translating_os_errors

POLL_INTERVAL_S = 0.0002
LEADER_POLL_INTERVAL_S = 0.05


class ProcessLock:
    """A lock held by one process at a time. It does not exclude threads of the same process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd >= 0

    def acquire(self, timeout_s: float = 0.0, poll_interval_s: float = POLL_INTERVAL_S) -> bool:
        """Whether the lock was acquired within `timeout_s`. Raises OSError."""
        for _ in range(round(timeout_s / poll_interval_s)):
            if self._try():
                return True
            sleep(poll_interval_s)
        return self._try()

    def release(self) -> None:
        """Release the lock; nothing happens when it is not held."""
        if self.is_held:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def is_in_place(self) -> bool:
        """Whether the lock is held and its file still has a name (else it excludes no one)."""
        return self.is_held and os.fstat(self._fd).st_nlink > 0

    def _try(self) -> bool:
        fd = open_read_write(self.path, os.O_CREAT | os.O_NOFOLLOW)
        try:
            if lock_descriptor(fd, blocking=False) and os.fstat(fd).st_nlink:
                self._fd = fd
        finally:
            if not self.is_held:  # an open descriptor would keep the lock
                os.close(fd)
        return self.is_held


class LeaderLock(ProcessLock):
    """The lock of the leader: of all processes on a data folder, its holder delivers events."""

    def lead(self, timeout_s: float) -> bool:
        """Whether this process leads; waits up to `timeout_s` to.

        It does until `release`, or until a person removes the lock file; so a leader calls this
        again from time to time. Raises Unavailable where the lock cannot be used.
        """
        with translating_os_errors("taking the leader's lock"):
            if self.is_in_place():
                return True
            self.release()
            return self.acquire(timeout_s, LEADER_POLL_INTERVAL_S)

    def has_leader(self) -> bool:
        """Whether some process leads now. Raises Unavailable where the lock cannot be used."""
        probe = ProcessLock(self.path)
        with translating_os_errors("probing the leader's lock"):
            if self.is_in_place() or not probe.acquire():
                return True
        probe.release()
        return False
