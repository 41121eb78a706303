"""Scheduled jobs: work that the leading dispatcher does once a day.

The day is recorded in the transaction that does the work. So a job runs exactly once a day, however
many processes there are and whenever one of them dies. If no process led at the hour, the job runs
as soon as one does, for the latest day only. In a new shop a job first runs on the day after.
A recorded day that is more than one day ahead counts as none: the clock was wrong when it was
recorded. One day ahead it counts, so that a clock that is set back a little repeats no job.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from time import monotonic

from app.kernel.clock import UTC
from app.store import Collection, Store, Transaction

JOB_DAYS = Collection(name="days", key="task")
"""For each job, by name (`task`), the last day for which it ran."""

RETRY_S = 60.0
"""Time after a failed attempt before the next."""


@dataclass
class ScheduledJob:
    """Runs `run(tx, day)` daily at the time `at` in `zone`; `day` is a date such as 2026-11-21.

    `run` works in a transaction, under the commit lock: its effects must be inside the store. Long
    work is done in parts: while it returns True, it is called again for the same day.
    """

    name: str
    at: time
    zone: tzinfo
    run: Callable[[Transaction, str], bool | None]
    _last_day: str = field(default="", init=False)
    _retry_at: float = field(default=0.0, init=False)

    def run_if_due(self, store: Store) -> None:
        """Run for today, or the next part of it, if the hour has come and no process did.

        Raises what `run` and the store raise, and then does nothing for `RETRY_S`.
        """
        day = self._latest_due_day()
        if self._last_day == day or monotonic() < self._retry_at:
            return
        self._retry_at = monotonic() + RETRY_S
        tomorrow = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
        with store.transaction() as tx:
            record = tx.get(JOB_DAYS.name, self.name)
            recorded = record["day"] if record and record["day"] <= tomorrow else day
            has_more = recorded < day and self.run(tx, day)
            if not has_more:
                tx.put(JOB_DAYS.name, {"task": self.name, "day": max(day, recorded)})
        self._last_day = "" if has_more else day
        self._retry_at = 0.0

    def _latest_due_day(self) -> str:
        now = datetime.now(UTC)
        day = now.astimezone(self.zone).date()
        if now < datetime.combine(day, self.at, self.zone):
            day -= timedelta(days=1)
        return day.isoformat()
