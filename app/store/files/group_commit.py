"""Group commit: transactions that arrive together are one line, one write and one sync.

A thread that wants to write acquires the commit lock. The first one opens a batch, which takes the
lock between processes. When its block ends and other threads wait, it hands the commit lock to one
of them with the batch still open; if none waits, it writes the batch for all its members. A busy
process pays for the process lock, the write and the sync once for many transactions, and a lone
transaction pays once for its own.

Each transaction of a batch sees those before it, and undoes only itself when it raises. In the log
a batch is one line: after a crash all of it is there, or none.

While the previous batch is being synced, writing this one gains nothing, because its own sync could
not begin. It therefore stays open that long, and collects more transactions under load.
"""

import threading
from time import monotonic

from app.kernel.errors import DaybookError, Unavailable
from app.store.files.memory.transaction import JsonTransaction
from app.store.files.wal.log import WriteAheadLog

BATCH_MAX_TRANSACTIONS = 64
BATCH_MAX_OPEN_S = 0.005
"""How long a batch may stay open for more members, and then for a running sync; meanwhile it holds
the lock between processes."""


class CommitLock:
    """A lock that can be handed over while other threads wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mutex = threading.Lock()
        self._waiting = 0

    def acquire(self, timeout_s: float) -> bool:
        """Wait for the lock; False when it was not acquired in time."""
        with self._mutex:
            self._waiting += 1
        acquired = self._lock.acquire(timeout=timeout_s)
        with self._mutex:
            self._waiting -= 1
            # it may have been handed over at the very moment of the time-out
            return acquired or self._lock.acquire(blocking=False)

    def hand_off(self) -> bool:
        """Let a waiting thread have the lock; False, and it stays acquired, when none waits."""
        with self._mutex:
            if not self._waiting:
                return False
            self._lock.release()
            return True

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()


class Batch:
    """Transactions to be written as one line. `transaction` is shared by all of them."""

    def __init__(self, transaction: JsonTransaction, wal: WriteAheadLog) -> None:
        self.transaction = transaction
        self._wal = wal
        self.transactions = 0
        self._closes_at = monotonic() + BATCH_MAX_OPEN_S
        self._seq: int | None = None
        self._finished = threading.Event()
        self._error: DaybookError | None = Unavailable("The change was not written. Try again.")

    def takes_more(self) -> bool:
        """Whether another transaction may join."""
        return self.transactions < BATCH_MAX_TRANSACTIONS and monotonic() < self._closes_at

    def mark_written(self) -> None:
        """The line is in the log, or there was nothing to write."""
        self._seq = self._wal.seq
        self._error = Unavailable(
            "Whether the change was kept is not known. Look before you repeat it."
        )

    def mark_failed(self, error: DaybookError) -> None:
        """Nothing was written."""
        self._error = error

    def finish(self) -> None:
        """Sync the log up to the batch, then release the threads in `wait`."""
        try:
            if self._seq is not None:
                self._wal.sync(self._seq)
                self._error = None
        except DaybookError as error:
            self._error = error
        finally:
            self._finished.set()

    def wait(self) -> None:
        """Wait until the batch is on disk; raises the error that prevented it."""
        self._finished.wait()
        if self._error:
            raise type(self._error)(str(self._error)) from self._error
