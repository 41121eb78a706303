"""The circuit breaker: keeps one long outage from filling failure.json.

    closed ──five outages, no success between──▶ open ──pause over──▶ one probe
       ▲                                          ▲                     │
       │                                          └── again an outage ──┤ (pause doubled)
       └───────────────────────────── any other outcome ────────────────┘

Each handler has its own, so a handler that is up is never held back by one that is down. It is
kept in memory: a new leader finds out by itself within five deliveries.

One order that finds its peer down, whatever happens, is no outage: so an order that has not met it
yet is new evidence. It may probe a second after the last probe, however long the pause has become
for the others; if it passes, the breaker closes, and the one that fails has to answer for itself.
"""

from time import monotonic

from app.events.dispatch.retry import OUTAGES

LIMIT = 5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class Breaker:
    """While it is open the handler's events wait in the outbox, and use up no attempt."""

    def __init__(self) -> None:
        self._outages = 0
        self._pause_s = FIRST_PAUSE_S
        self._not_before = 0.0
        self._new_not_before = 0.0
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether the handler is being left alone."""
        return self._outages >= LIMIT

    def wait_s(self, *, is_new: bool = False) -> float:
        """Seconds until a delivery may run; 0 when one may run now.

        `is_new`: one that has not met an outage yet.
        """
        not_before = self._new_not_before if is_new else self._not_before
        return max(not_before - monotonic(), 0.0) if self.is_open else 0.0

    def begin_probe(self) -> None:
        """One delivery runs though the breaker is open; the next may when this one is overdue."""
        self._is_probing = True
        self._not_before = self._new_not_before = monotonic() + self._pause_s

    def end_probe(self) -> None:
        """The delivery that should probe never got as far as the peer; the next may, at once."""
        if self._is_probing:
            self._is_probing = False
            self._not_before = self._new_not_before = monotonic()

    def record(self, error: BaseException | None) -> None:
        """Take in what came of a delivery: of the probe, or of any while the breaker is closed.

        An error that is no outage says nothing about the peer, which the handler perhaps never
        asked; only a success starts the count anew. What began before the breaker opened and fails
        after it did is no news.
        """
        if error is None:
            self._close()
        elif self.is_open:
            if self._is_probing:
                self._take_probe(error)
        elif isinstance(error, OUTAGES):
            self._outages += 1
            self._pause()

    def _take_probe(self, error: BaseException) -> None:
        if not isinstance(error, OUTAGES):
            self._close()
            return
        self._is_probing = False
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._pause()

    def _pause(self) -> None:
        now = monotonic()
        self._not_before = now + self._pause_s
        self._new_not_before = now + FIRST_PAUSE_S

    def _close(self) -> None:
        self._outages, self._pause_s, self._is_probing = 0, FIRST_PAUSE_S, False
