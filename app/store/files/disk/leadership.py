"""Which process delivers events: one at a time, over all that share a data folder."""

from pathlib import Path

from app.store.files.disk.filesystem import reporting
from app.store.files.disk.locks import ProcessLock

POLL_S = 0.05


class Leadership:
    """One process's part in it. Every method raises Unavailable where the lock cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "leader.lock"
        self._lock = ProcessLock(self._path)

    def take(self, timeout_s: float) -> bool:
        """See Store.lead."""
        with reporting("taking the leader's lock"):
            if self._lock.is_in_place():
                return True
            self._lock.release()
            return self._lock.acquire(timeout_s, POLL_S)

    def is_taken(self) -> bool:
        """See Store.has_leader."""
        probe = ProcessLock(self._path)
        with reporting("probing the leader's lock"):
            if self._lock.is_in_place() or not probe.acquire():
                return True
        probe.release()
        return False

    def release(self) -> None:
        """Let another process lead."""
        self._lock.release()
