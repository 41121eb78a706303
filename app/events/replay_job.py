"""A replay job: replays a fixed list of failures and waits for the outcomes (`flask replay`).

The deliveries themselves are made by dispatchers, in this process or others. An entry
leaves failure.json only when its handler has succeeded, so a job that is stopped or killed loses
nothing: what it has replayed goes on in the outbox.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from time import monotonic

from app.events import failures
from app.events.failures import REPLAY_BATCH_SIZE
from app.events.replay import SKIP, PlanEntry, is_blocked
from app.kernel.errors import NotFound
from app.store import Store, Transaction

POLL_INTERVAL_S = 0.25
STALL_TIMEOUT_S = 90.0
"""A job in which nothing has ended for so long stops waiting; the deliveries go on without it."""


@dataclass
class ReplayCounts:
    """Counts of the entries that succeeded, failed again, were skipped, or still wait."""

    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        """The summary line."""
        return (
            f"{self.succeeded} succeeded, {self.failed} failed again, "
            f"{self.skipped} skipped, {self.waiting} waiting"
        )


class ReplayJob:
    """Replays the entries of `plan`, oldest first."""

    def __init__(
        self,
        store: Store,
        plan: Iterable[PlanEntry],
        by: str,
        *,
        rate: float | None = None,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        """`by` is recorded as the person who replayed; `rate` limits the entries per second.

        Entries that are under way belong to another job and are skipped. But when no process
        delivers, that job is dead, and this one waits for them as for its own.
        """
        self._counts = ReplayCounts()
        self._store = store
        self._by = by
        self._rate = rate
        self._stall_timeout_s = stall_timeout_s
        self._feed = store.change_feed(failures.FAILURES.name)
        self._queued: deque[tuple[str, int]] = deque()
        self._running: dict[str, int] = {}
        is_orphaned = not store.are_shards_leased()
        with store.read() as view:
            for each in plan:
                entry = view.get(failures.FAILURES.name, each.id)
                if entry is None or (each.what == SKIP and not is_orphaned):
                    self._counts.skipped += 1
                elif each.what == SKIP:
                    self._running[each.id] = entry["replays"]
                else:
                    self._queued.append((each.id, entry["replays"]))

    def run(self) -> Iterator[int]:
        """Replay the entries; yield how many have ended, time and again until all have.

        Ends earlier when nothing can end any more. Raises Unavailable when the store does; what is
        under way then goes on all the same.
        """
        began = last_progress = monotonic()
        started = 0
        yield self._counts.skipped
        while self._queued or self._running:
            size = self._batch_size(monotonic() - began, started)
            started += size
            ended = self._start([self._queued.popleft() for _ in range(size)])
            ended += self._count_ended(self._feed.take(POLL_INTERVAL_S))
            if ended or size:
                last_progress = monotonic()
                yield ended
            elif not self._queued and self._is_stuck(monotonic() - last_progress):
                return

    @property
    def counts(self) -> ReplayCounts:
        """The counts so far; an entry that has not ended counts as waiting."""
        return replace(self._counts, waiting=len(self._queued) + len(self._running))

    def _batch_size(self, elapsed_s: float, started: int) -> int:
        """The number of entries that may be replayed now."""
        size = min(REPLAY_BATCH_SIZE, len(self._queued))
        if self._rate is None:
            return size
        return max(min(size, int(elapsed_s * self._rate) + 1 - started), 0)

    def _start(self, entries: list[tuple[str, int]]) -> int:
        """Replay these entries in one transaction; returns how many were skipped."""
        if not entries:
            return 0
        started = self._store.run_in_transaction(
            lambda tx: [entry for entry in entries if self._replay(tx, *entry)]
        )
        self._running.update((key, replays + 1) for key, replays in started)
        skipped = len(entries) - len(started)
        self._counts.skipped += skipped
        return skipped

    def _replay(self, tx: Transaction, key: str, replays: int) -> bool:
        """Replay one entry, unless another job has done so since this one was made."""
        entry = tx.get(failures.FAILURES.name, key)
        if entry is None or entry["replays"] != replays:
            return False
        try:
            return failures.replay(tx, key, self._by)
        except NotFound:
            return False  # the entry's event is gone; `flask check` reports it

    def _count_ended(self, changed: list[str]) -> int:
        """Count the running entries that have ended; looks at all when `changed` is empty."""
        keys = {key for key in changed if key in self._running} if changed else set(self._running)
        before = len(self._running)
        with self._store.read() as view:
            for key in keys:
                entry = view.get(failures.FAILURES.name, key)
                if entry is None:
                    self._counts.succeeded += 1
                elif entry["state"] == failures.FAILED or entry["replays"] > self._running[key]:
                    self._counts.failed += 1
                else:
                    continue
                del self._running[key]
        return before - len(self._running)

    def _is_stuck(self, quiet_s: float) -> bool:
        """Whether no entry can end: all that run are behind dead ones, or take too long."""
        if quiet_s > self._stall_timeout_s:
            return True
        with self._store.read() as view:
            entries = [view.get(failures.FAILURES.name, key) for key in self._running]
            return all(
                entry and entry["state"] == failures.REPLAYING and is_blocked(view, entry)
                for entry in entries
            )
