"""Jobs: work that the dispatcher of the first shard does once a day, or again and again.

The day of a scheduled job is recorded in the transaction that does the work. So it runs exactly
once a day, however many processes there are and whenever one of them dies. If no process delivers
at the hour, it runs as soon as one does, for the latest day only. In a new shop it first runs on
the day after.
A recorded day that is more than one day ahead counts as none: the clock was wrong when it was
recorded. One day ahead it counts, so that a clock that is set back a little repeats no job.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from time import monotonic
from typing import Protocol

from app.kernel.clock import UTC
from app.store import Collection, Store, Transaction
from app.store.expiry import Expiry, delete_expired

JOB_DAYS = Collection(name="days", key="task")
"""For each job, by name (`task`), the last day for which it ran."""

RETRY_S = 60.0
"""Time after a failed attempt before the next, and between two searches for what has expired."""


class Job(Protocol):
    """A job, as the dispatcher calls it after each iteration."""

    name: str

    def run_if_due(self, store: Store) -> bool:
        """Do a part of the work, if it is due; returns whether another part follows.

        Raises what the work and the store raise, and then does nothing for `RETRY_S`.
        """


class Work(Protocol):
    """The work of one transaction of a job."""

    def __call__(self, tx: Transaction, day: str, /) -> "Work | None":
        """Do the work; returns that of the next transaction, or None at the end."""


@dataclass
class ScheduledJob:
    """Runs `run(tx, day)` daily at the time `at` in `zone`; `day` is a date such as 2026-11-21.

    Long work is done in parts, each in a transaction (see Store.run_in_transaction).
    """

    name: str
    at: time
    zone: tzinfo
    run: Work
    _next_part: Work | None = field(default=None, init=False)
    _last_day: str = field(default="", init=False)
    _retry_at: float = field(default=0.0, init=False)

    def run_if_due(self, store: Store) -> bool:
        """See Job.run_if_due. Runs for today, if the hour has come and no process did."""
        day = self._latest_due_day()
        if self._last_day == day or monotonic() < self._retry_at:
            return False
        self._retry_at = monotonic() + RETRY_S
        tomorrow = (date.fromisoformat(day) + timedelta(days=1)).isoformat()

        def run_part(tx: Transaction) -> Work | None:
            record = tx.get(JOB_DAYS.name, self.name)
            recorded = record["day"] if record and record["day"] <= tomorrow else day
            part = self._next_part or self.run
            next_part = part(tx, day) if recorded < day else None
            if next_part is None:
                tx.put(JOB_DAYS.name, {"task": self.name, "day": max(day, recorded)})
            return next_part

        self._next_part = store.run_in_transaction(run_part)
        self._last_day = "" if self._next_part else day
        self._retry_at = 0.0
        return self._next_part is not None

    def _latest_due_day(self) -> str:
        now = datetime.now(UTC)
        day = now.astimezone(self.zone).date()
        if now < datetime.combine(day, self.at, self.zone):
            day -= timedelta(days=1)
        return day.isoformat()


@dataclass
class ExpiryJob:
    """Deletes expired documents of some collections, every `RETRY_S` and until there are no more.

    Which process does it, and how often, does not matter: what has expired stays so.
    """

    expiries: Sequence[Expiry]
    name: str = "expiry"
    _due_at: float = field(default=0.0, init=False)

    def run_if_due(self, store: Store) -> bool:
        """See Job.run_if_due."""
        if monotonic() < self._due_at:
            return False
        self._due_at = monotonic() + RETRY_S
        deleted = [delete_expired(store, each) for each in self.expiries]
        if any(deleted):
            self._due_at = 0.0
        return any(deleted)
