"""The circuit breaker: keeps one long outage of a peer from filling failure.json.

    closed ──five outages, no success between──▶ open ──pause over──▶ half-open: one probe
       ▲                                          ▲                     │
       │                                          └── again an outage ──┤ (pause doubled)
       └───────────────────────────── any other outcome ────────────────┘

Each handler has its own, so a handler whose peer is up is never held back by one whose peer is
down. The state is in memory only: a new delivery loop finds an outage again within five deliveries.

One order for which the peer always fails is not an outage. A delivery that has not failed yet is
new evidence, so it may probe one second after the last probe, however long the pause has become.
If it succeeds the breaker closes, and the order that keeps failing uses up its attempts.
"""

from time import monotonic

from app.events.dispatch.retry import OUTAGES

OUTAGES_TO_OPEN = 5
FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0


class Breaker:
    """While it is open, the handler's events wait in the outbox, except for probes."""

    def __init__(self, max_pause_s: float = MAX_PAUSE_S) -> None:
        self._max_pause_s = max_pause_s
        self._outages = 0
        self._pause_s = FIRST_PAUSE_S
        self._next_probe_at = 0.0
        self._next_untried_probe_at = 0.0
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether deliveries are held back, except for probes."""
        return self._outages >= OUTAGES_TO_OPEN

    def wait_s(self, *, is_untried: bool = False) -> float:
        """Seconds until a delivery may run; 0 when one may run now.

        `is_untried`: a delivery that has not failed yet.
        """
        probe_at = self._next_untried_probe_at if is_untried else self._next_probe_at
        return max(probe_at - monotonic(), 0.0) if self.is_open else 0.0

    def begin_probe(self) -> None:
        """Let one delivery run although the breaker is open.

        If its outcome is never recorded, the next probe may run after the same pause.
        """
        self._is_probing = True
        self._next_probe_at = self._next_untried_probe_at = monotonic() + self._pause_s

    def cancel_probe(self) -> None:
        """The probe ended without calling the peer: the next one may run at once."""
        if self._is_probing:
            self._is_probing = False
            self._next_probe_at = self._next_untried_probe_at = monotonic()

    def record(self, error: BaseException | None) -> None:
        """Count the result of a delivery: of the probe, or of any while the breaker is closed.

        Only a success resets the count: the handler may have raised another error before it called
        its peer. Deliveries that began before the breaker opened and fail afterwards are ignored.
        """
        is_outage = isinstance(error, OUTAGES)
        if error is None or (self._is_probing and not is_outage):
            self._outages, self._pause_s, self._is_probing = 0, FIRST_PAUSE_S, False
        elif self._is_probing:
            self._is_probing = False
            self._pause_s = min(2 * self._pause_s, self._max_pause_s)
            self._start_pause()
        elif is_outage and not self.is_open:
            self._outages += 1
            self._start_pause()

    def _start_pause(self) -> None:
        now = monotonic()
        self._next_probe_at = now + self._pause_s
        self._next_untried_probe_at = now + FIRST_PAUSE_S
