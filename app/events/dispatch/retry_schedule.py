"""Retries at fixed times, for subscribers: they may be away for hours."""

from dataclasses import dataclass
from typing import ClassVar

import tenacity

from app.events.dispatch.retry import TRANSIENT_ONLY, wait_after

JITTER = 0.05
"""Each wait of a schedule is longer by up to this share, so that retries do not come at once."""


@dataclass(frozen=True)
class RetrySchedule:
    """Fixed waits with a little jitter: `waits_s[n]` follows attempt n + 1.

    An attempt counts although the circuit breaker is open, so a delivery ends when the schedule
    does. The breaker only spreads the attempts.
    """

    waits_s: tuple[float, ...]
    counts_outages: ClassVar[bool] = True

    def wait_s(self, error: BaseException, attempt: int) -> float | None:
        """See RetryPolicy.wait_s."""
        fixed = (
            tenacity.wait_fixed(wait_s) + tenacity.wait_random(0, JITTER * wait_s)
            for wait_s in self.waits_s
        )
        strategies = tenacity.Retrying(
            retry=TRANSIENT_ONLY,
            stop=tenacity.stop_after_attempt(len(self.waits_s) + 1),
            wait=tenacity.wait_chain(*fixed),
        )
        return wait_after(strategies, error, attempt)
