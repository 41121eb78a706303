"""Decides whether a failed delivery is tried again, and when. tenacity decides; nothing sleeps.

The dispatcher delivers other events until the next attempt is due, and another process may make
that attempt. So tenacity's strategies are called once for each failed attempt, with its number from
the outbox, instead of wrapping a function that is retried in place.
"""

from dataclasses import dataclass
from typing import ClassVar

import tenacity

from app.events.faults import FaultInjected
from app.kernel.errors import Unavailable

MAX_RETRY_WAIT_S = 60.0

OUTAGES = (Unavailable, OSError)
"""The handler's peer (disk, mail server) cannot be reached: retried, and counted by the breaker."""

TRANSIENT = (*OUTAGES, FaultInjected, MemoryError, SystemError)
"""Errors worth a retry. Every other error is permanent: it goes to failure.json at once.

The interpreter raises the last two when the process is short of memory, which passes.
"""


TRANSIENT_ONLY = tenacity.retry_if_exception_type(TRANSIENT)


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with jitter: `first_wait_s`, doubled for each attempt, 60 s at most.

    `attempts` counts the first attempt as well.
    """

    attempts: int = 5
    first_wait_s: float = 0.2
    counts_outages: ClassVar[bool] = False

    def wait_s(self, error: BaseException, attempt: int) -> float | None:
        """Seconds to wait after the attempt numbered `attempt` (from 1) failed with `error`.

        None when there is no further attempt: that was the last one, or the error is permanent.
        """
        strategies = tenacity.Retrying(
            retry=TRANSIENT_ONLY,
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=tenacity.wait_exponential_jitter(
                multiplier=self.first_wait_s, max=MAX_RETRY_WAIT_S, jitter=self.first_wait_s
            ),
        )
        return wait_after(strategies, error, attempt)


def wait_after(strategies: tenacity.Retrying, error: BaseException, attempt: int) -> float | None:
    """The wait that tenacity's `strategies` choose after a failed attempt; None: no further one."""
    failed = tenacity.RetryCallState(strategies, None, (), {})
    failed.attempt_number = attempt
    failed.set_exception((type(error), error, error.__traceback__))
    if not strategies.retry(failed) or strategies.stop(failed):
        return None
    return strategies.wait(failed)
