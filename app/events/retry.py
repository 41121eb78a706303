"""When to try again, when to give up, and when to leave a handler alone for a while.

tenacity decides; nobody sleeps. An `Attempts` drives a fresh `Retrying` one step at a time, so the
dispatcher can do other work until the next attempt is due.
"""

from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from app.errors import DaybookError, Unavailable


class FaultInjected(DaybookError):
    """A fault switch made the handler fail; worth a retry, and no outage."""


OUTAGES = (Unavailable, OSError)
"""The handler's peer (disk, mail server) cannot be had now: retried, and counted by the breaker."""

PASSING = (*OUTAGES, FaultInjected)
"""Errors that can pass. Every other one goes to failure.json at once."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and with what pause (seconds): doubled each time up to a minute, with jitter."""

    attempts: int = 5
    first_wait_s: float = 0.2

    def begin(self) -> "Attempts":
        """The attempts of one delivery, from the first on."""
        return Attempts(self)


class Verdict(NamedTuple):
    """What came of an attempt: done (no error), another one in `again_in_s`, or given up."""

    error: BaseException | None
    again_in_s: float | None

    @property
    def is_final(self) -> bool:
        """Whether no other attempt follows."""
        return self.again_in_s is None


class Attempts:
    """The attempts of one delivery. Use: `with attempts.current: handler(...)`, then `verdict()`.

    The `with` block keeps whatever the handler raises; it may run in another thread.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._delay_s = 0.0
        self._steps = iter(
            Retrying(
                stop=stop_after_attempt(policy.attempts),
                wait=wait_exponential_jitter(
                    initial=policy.first_wait_s, max=60, jitter=policy.first_wait_s
                ),
                retry=retry_if_exception_type(PASSING),
                sleep=self._note_delay,
                reraise=True,
            )
        )
        self.current = next(self._steps)

    def verdict(self) -> Verdict:
        """What came of the current attempt; ask once for each, in the thread that made this."""
        outcome = self.current.retry_state.outcome
        error = outcome.exception() if outcome else None
        try:
            self.current = next(self._steps)
        except StopIteration:
            return Verdict(None, None)
        except Exception as final:
            # tenacity raises the handler's own error here, which may be anything
            return Verdict(final, None)
        return Verdict(error, self._delay_s)

    def _note_delay(self, seconds: float) -> None:
        self._delay_s = float(seconds)


class Breaker:
    """Keeps one long outage from filling failure.json: after some outages in a row, it opens.

    While it is open the handler's events wait in the outbox; one delivery at a time probes whether
    the peer is back, after 1 s, 2 s, 4 s and so on up to a minute. What fails meanwhile uses up no
    attempt.
    """

    LIMIT = 5
    LONGEST_S = 60.0

    def __init__(self) -> None:
        self._outages = 0
        self._not_before = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the handler is being left alone."""
        return self._outages >= self.LIMIT

    def delay_s(self) -> float:
        """Seconds to wait before a delivery may run; asking for 0 takes the one probe."""
        left = self._not_before - monotonic()
        if not self.is_open or left > 0:
            return max(left, 0.0) if self.is_open else 0.0
        self._pause()
        return 0.0

    def record(self, error: BaseException | None) -> None:
        """Count an outage; anything else shows that the peer answers."""
        if not isinstance(error, OUTAGES):
            self._outages = 0
            return
        self._outages += 1
        if self.is_open:
            self._pause()

    def _pause(self) -> None:
        doublings = min(self._outages - self.LIMIT, 10)
        self._not_before = monotonic() + min(2.0**doublings, self.LONGEST_S)
