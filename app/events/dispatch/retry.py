"""When to try again, and when to give up. tenacity decides; nobody sleeps.

The dispatcher has other work until the next attempt is due, and it may be another process by then.
So nothing is kept between two attempts but their number, which stands in the outbox.
"""

from contextlib import suppress
from dataclasses import dataclass

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from app.kernel.errors import DaybookError, Unavailable

LONGEST_PAUSE_S = 60.0


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

    def pause_s(self, error: BaseException, attempt: int) -> float | None:
        """Seconds until the attempt after the one numbered `attempt`, which ended with `error`.

        None when there is none: that was the last one, or the error cannot pass.
        """
        pauses: list[float] = []
        steps = iter(
            Retrying(
                stop=stop_after_attempt(self.attempts),
                wait=wait_exponential_jitter(
                    multiplier=self.first_wait_s, max=LONGEST_PAUSE_S, jitter=self.first_wait_s
                ),
                retry=retry_if_exception_type(PASSING),
                sleep=pauses.append,
                reraise=True,
            )
        )
        this = next(steps)
        this.retry_state.attempt_number = attempt
        with this:
            raise error
        with suppress(type(error)):  # which tenacity raises again when it gives up
            next(steps)
        return pauses[0] if pauses else None
