"""The leader lock: of all processes that share a data folder, one delivers events."""

from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.locks import ProcessLock

POLL_INTERVAL_S = 0.05


class LeaderLock(ProcessLock):
    """The lock that the leading process holds."""

    def lead(self, timeout_s: float) -> bool:
        """See Store.lead. Raises Unavailable where the lock cannot be used."""
        with translating_os_errors("taking the leader's lock"):
            if self.is_in_place():
                return True
            self.release()
            return self.acquire(timeout_s, POLL_INTERVAL_S)

    def has_leader(self) -> bool:
        """See Store.has_leader. Raises Unavailable where the lock cannot be used."""
        probe = ProcessLock(self.path)
        with translating_os_errors("probing the leader's lock"):
            if self.is_in_place() or not probe.acquire():
                return True
        probe.release()
        return False
