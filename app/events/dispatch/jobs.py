"""Scheduled jobs: work that the leading dispatcher does once a day.

The day is recorded in the transaction that does the work. So a job runs exactly once a day, however
many processes there are and whenever one of them dies. If no process led at the hour, the job runs
as soon as one does, for the latest day only. In a new shop a job first runs on the day after.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo

from app.kernel.clock import UTC
from app.store import Collection, Store, Transaction

JOB_DAYS = Collection(name="days", key="task")
"""For each job, by name (`task`), the last day for which it ran."""


@dataclass
class ScheduledJob:
    """Runs `run(tx, day)` daily at the time `at` in `zone`; `day` is a date such as 2026-11-21.

    `run` works in a transaction, under the commit lock: its effects must be inside the store.
    """

    name: str
    at: time
    zone: tzinfo
    run: Callable[[Transaction, str], None]
    _last_day: str = field(default="", init=False)

    def run_if_due(self, store: Store) -> None:
        """Run for today if the hour has come and no process did. Raises what the store raises."""
        day = self._latest_due_day()
        if self._last_day >= day:
            return
        with store.transaction() as tx:
            record = tx.get(JOB_DAYS.name, self.name) or {"task": self.name, "day": day}
            if record["day"] < day:
                self.run(tx, day)
            tx.put(JOB_DAYS.name, record | {"day": max(day, record["day"])})
        self._last_day = day

    def _latest_due_day(self) -> str:
        now = datetime.now(UTC)
        day = now.astimezone(self.zone).date()
        if now < datetime.combine(day, self.at, self.zone):
            day -= timedelta(days=1)
        return day.isoformat()
