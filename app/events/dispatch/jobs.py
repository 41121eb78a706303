"""Work that is done once a day, by whoever leads.

That a day is done is recorded in the transaction that does it: so it is done exactly once, however
many processes there are, and whenever one of them dies. If nobody led at the hour, it is done as
soon as somebody does, for the latest day only. A new shop begins with the next day.
"""

from collections.abc import Callable
from datetime import datetime, time, timedelta, tzinfo

from app.kernel.clock import UTC
from app.store import Collection, Store, Transaction

DAYS = Collection(name="days", key="task")
"""For each task, the last day that it was done."""


class ScheduledJob:
    """`task` is done by `run` at the time `at` in `zone`; `run` is given the day (2026-11-21).

    `run` works under the lock, in a transaction, and its effects must be inside the store.
    """

    def __init__(
        self, task: str, at: time, zone: tzinfo, run: Callable[[Transaction, str], None]
    ) -> None:
        self._task = task
        self._at = at
        self._zone = zone
        self._run = run
        self._done = ""

    def run_if_due(self, store: Store) -> None:
        """Do today's work if its hour has come and nobody did it. Raises what the store raises."""
        day = self._latest()
        if self._done >= day:
            return
        with store.transaction() as tx:
            record = tx.get(DAYS.name, self._task) or {"task": self._task, "day": day}
            if record["day"] < day:
                self._run(tx, day)
            tx.put(DAYS.name, record | {"day": max(day, record["day"])})
        self._done = day

    def _latest(self) -> str:
        """The latest day whose hour has come."""
        now = datetime.now(UTC)
        day = now.astimezone(self._zone).date()
        if now < datetime.combine(day, self._at, self._zone):
            day -= timedelta(days=1)
        return day.isoformat()
