"""One run of `flask replay`: sets failed deliveries going, and follows them to their end.

The deliveries themselves are done by whichever dispatcher leads, in this process or another. An
entry leaves failure.json only when its handler has succeeded, so a run that is stopped, or killed,
loses nothing. What it had set going goes on in the outbox.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from time import monotonic

from app.events import failures, outbox
from app.events.replay import SKIP, Step
from app.kernel.errors import NotFound
from app.store import Store, Transaction, View

AT_ONCE = 100
"""Entries to a transaction: few enough that a POST hardly waits for the lock."""

LOOK_S = 0.25
PATIENCE_S = 90.0
"""A run in which nothing has ended for so long stops following; the deliveries go on without it."""


@dataclass
class Tally:
    """How many entries of the list succeeded, failed again, were not touched, or still wait."""

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
    """A run over the frozen list `steps`, oldest first."""

    def __init__(
        self,
        store: Store,
        steps: Iterable[Step],
        by: str,
        *,
        rate: float | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`by` is recorded as who replayed; `rate` limits how many are set going in a second.

        Entries that were under way already belong to another run and are skipped; but when nobody
        delivers, that run is dead, and they are followed as this run's own.
        """
        self._tally = Tally()
        self._store = store
        self._by = by
        self._rate = rate
        self._patience_s = patience_s
        self._feed = store.change_feed(failures.FAILURES.name)
        self._open: dict[str, int] = {}
        self._left: deque[tuple[str, int]] = deque()
        self._freeze(list(steps), is_orphaned=not store.has_leader())

    def follow(self) -> Iterator[int]:
        """Set the entries going, and yield how many have ended, again and again until all have.

        Raises Unavailable when the store does. What is under way then goes on all the same.
        """
        began = last_end = monotonic()
        begun = 0
        yield self._tally.skipped
        while self._left or self._open:
            portion = self._portion(monotonic() - began, begun)
            begun += portion
            ended = self._set_going([self._left.popleft() for _ in range(portion)])
            ended += self._ended(self._feed.take(LOOK_S))
            if ended or portion:
                last_end = monotonic()
                yield ended
            elif not self._left and self._is_stuck(monotonic() - last_end):
                return

    @property
    def tally(self) -> Tally:
        """What came of the run so far; what has not ended counts as waiting."""
        return replace(self._tally, waiting=len(self._left) + len(self._open))

    def _freeze(self, steps: list[Step], *, is_orphaned: bool) -> None:
        with self._store.read() as view:
            for step in steps:
                entry = view.get(failures.FAILURES.name, step.id)
                if entry is None or (step.what == SKIP and not is_orphaned):
                    self._tally.skipped += 1
                elif step.what == SKIP:
                    self._open[step.id] = entry["replays"]
                else:
                    self._left.append((step.id, entry["replays"]))

    def _portion(self, elapsed_s: float, begun: int) -> int:
        """How many entries may be set going now."""
        allowed = AT_ONCE if self._rate is None else int(elapsed_s * self._rate) + 1 - begun
        return max(min(AT_ONCE, allowed, len(self._left)), 0)

    def _set_going(self, entries: list[tuple[str, int]]) -> int:
        """Replay these; returns how many were skipped."""
        if not entries:
            return 0
        with self._store.transaction() as tx:
            begun = [(key, replays) for key, replays in entries if self._replay(tx, key, replays)]
        self._open.update((key, replays + 1) for key, replays in begun)
        self._tally.skipped += len(entries) - len(begun)
        return len(entries) - len(begun)

    def _replay(self, tx: Transaction, key: str, replays: int) -> bool:
        """Set one going, unless another run did since the list was frozen."""
        entry = tx.get(failures.FAILURES.name, key)
        if entry is None or entry["replays"] != replays:
            return False
        try:
            return failures.replay(tx, key, self._by)
        except NotFound:
            return False  # an entry without its event; `flask check` tells of it

    def _ended(self, changed: list[str]) -> int:
        """Take in what became of the entries under way; returns how many have ended."""
        keys = [key for key in changed if key in self._open] if changed else list(self._open)
        count = 0
        with self._store.read() as view:
            for key in dict.fromkeys(keys):
                entry = view.get(failures.FAILURES.name, key)
                if entry is None:
                    self._tally.succeeded += 1
                elif entry["state"] == failures.FAILED or entry["replays"] > self._open[key]:
                    self._tally.failed += 1
                else:
                    continue
                del self._open[key]
                count += 1
        return count

    def _is_stuck(self, quiet_s: float) -> bool:
        """Whether no end is in sight: all that is open waits behind failures, or takes too long."""
        if quiet_s > self._patience_s:
            return True
        with self._store.read() as view:
            return all(_waits(view, key) for key in self._open)


def _waits(view: View, key: str) -> bool:
    """Whether the entry's delivery is held up by an earlier one of its order that is dead."""
    entry = view.get(failures.FAILURES.name, key)
    if entry is None:
        return False
    event = entry["event"]
    for record in outbox.timeline(view, event["subject"]):
        if record["id"] == event["id"]:
            return "waiting_for" in record["deliveries"][entry["handler"]]
    return False
