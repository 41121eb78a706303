"""Whether a data folder is in use, and the right to be its only user."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.kernel.errors import Conflict
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.locks import ProcessLock
from app.store.files.disk.owner import refuse_other_user

LOCKS = ("leader.lock", "checkpoint.lock", "store.lock")

_LOCK_TIMEOUT_S = 1.0


@contextmanager
def exclusive_access(folder: Path, act: str, doing: str) -> Iterator[None]:
    """Hold every lock of the folder, to `act`, and translate OS errors; `doing` is for these.

    Raises Conflict while another process holds a lock, OtherUser where another user keeps the shop,
    StorageFull or Unavailable for an OSError.
    """
    with translating_os_errors(doing), ExitStack() as stack:
        refuse_other_user(folder)
        for name in LOCKS:
            lock = ProcessLock(folder / name)
            if not lock.acquire(_LOCK_TIMEOUT_S):
                raise Conflict(f"The service is running; stop it, then {act}.")
            stack.callback(lock.release)
        yield


def is_served(folder: Path) -> bool:
    """Whether a process holds one of the locks now. Creates no file."""
    for name in LOCKS:
        lock = ProcessLock(folder / name)
        if lock.path.exists() and not lock.acquire():
            return True
        lock.release()
    return False
