"""The leadership lock: of all processes that share a data folder, one delivers events."""

from pathlib import Path

from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.locks import ProcessLock

POLL_INTERVAL_S = 0.05


class Leadership:
    """One process's hold on leader.lock. Raises Unavailable where it cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "leader.lock"
        self._lock = ProcessLock(self._path)

    def acquire(self, timeout_s: float) -> bool:
        """See Store.lead."""
        with translating_os_errors("taking the leader's lock"):
            if self._lock.is_in_place():
                return True
            self._lock.release()
            return self._lock.acquire(timeout_s, POLL_INTERVAL_S)

    def has_leader(self) -> bool:
        """See Store.has_leader."""
        probe = ProcessLock(self._path)
        with translating_os_errors("probing the leader's lock"):
            if self._lock.is_in_place() or not probe.acquire():
                return True
        probe.release()
        return False

    def release(self) -> None:
        """Let another process lead."""
        self._lock.release()
