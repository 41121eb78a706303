"""Transactions that arrive together are written together: one line, one write, one sync.

A thread that wants to write takes the turn. The first one opens a batch, which takes the lock
between processes; when its block is done and others wait already, it hands them the turn with the
batch still open. Whoever finds nobody waiting writes the batch, for all. So a busy process pays for
the lock, the write and the sync once for many transactions, and a lone one pays once for its own.

Each transaction of a batch sees those before it, and undoes only itself when it raises. In the
journal a batch is one line: after a crash all of it is there, or none.

While the batch before is being synced, nothing is gained by writing this one: its own sync could
not begin. So it stays open that long, and under load each batch has in it what came meanwhile.
"""

import threading
from time import monotonic

from app.kernel.errors import DaybookError, Unavailable
from app.store.files.memory.transaction import JsonTransaction
from app.store.files.wal.log import WriteAheadLog

MOST_MEMBERS = 64
LONGEST_S = 0.005
"""How long a batch may stay open while others join, in each of the two ways: it holds the lock
between processes."""


class CommitLock:
    """A lock whose holder can tell whether somebody waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mutex = threading.Lock()
        self._waiting = 0

    def take(self, timeout_s: float) -> bool:
        """Wait for the turn; False when it did not come in time."""
        with self._mutex:
            self._waiting += 1
        taken = self._lock.acquire(timeout=timeout_s)
        with self._mutex:
            self._waiting -= 1
            # it may have been handed to us in the very moment we gave up
            return taken or self._lock.acquire(blocking=False)

    def hand_off(self) -> bool:
        """Let one of those who wait have the turn; False, and it is kept, when nobody waits."""
        with self._mutex:
            if not self._waiting:
                return False
            self._lock.release()
            return True

    def end(self) -> None:
        """Give the turn back."""
        self._lock.release()


class Batch:
    """Transactions to be written as one line. `transaction` is shared by all its `members`."""

    def __init__(self, transaction: JsonTransaction, wal: WriteAheadLog) -> None:
        self.transaction = transaction
        self._chain = wal
        self.members = 0
        self._closes_at = monotonic() + LONGEST_S
        self._seq: int | None = None
        self._ended = threading.Event()
        self._error: DaybookError | None = Unavailable("The change was not written. Try again.")

    def count_member(self) -> None:
        """A member is done."""
        self.members += 1

    def takes_more(self) -> bool:
        """Whether another member may follow."""
        return self.members < MOST_MEMBERS and monotonic() < self._closes_at

    def written(self) -> None:
        """The line is in the journal, or there was nothing to write."""
        self._seq = self._chain.seq
        self._error = Unavailable(
            "Whether the change was kept is not known. Look before you repeat it."
        )

    def failed(self, error: DaybookError) -> None:
        """Nothing was written."""
        self._error = error

    def end(self) -> None:
        """Sync the batch and all that it was built on, then let all members know how it went."""
        try:
            if self._seq is not None:
                self._chain.sync(self._seq)
                self._error = None
        except DaybookError as error:
            self._error = error
        finally:
            self._ended.set()

    def outcome(self) -> None:
        """Wait until the batch is on disk. Raises why it is not."""
        self._ended.wait()
        if self._error:
            raise type(self._error)(str(self._error)) from self._error
