"""Back-pressure: deliveries pause while a burst of requests needs the store.

If most recent waits for the commit lock were slow, the loop pauses once for 0.25 s; 150 or more
foreign changes in that time mean a burst, so it pauses again after the next iteration. Fewer mean
that the deliveries can keep up: the backlog is drained for 256 iterations without a pause.
(docs/decisions/0010-back-pressure.md)
"""

SLOW_LOCK_S = 0.002
"""A longer wait for the commit lock counts as slow."""

SMOOTHING = 0.2
"""Weight of the newest wait in the moving average: about the last five waits decide."""

PAUSE_S = 0.25
"""One pause; deliveries run at least this often during a burst."""

BURST_MIN_EVENTS = 150
"""Fewer foreign events than this after a pause are not a burst."""

DRAIN_ITERATIONS = 256
"""Iterations without a pause when there is no burst (some seconds), or until nothing is left."""

MAX_OVERDUE_S = 10.0
"""When a delivery has waited longer, there is no pause until everything is delivered."""


class Throttle:
    """Decides after each iteration of the delivery loop whether the loop pauses.

    One slow lock may be the disk, so the share of slow ones decides. After a pause the iterations
    are long and make requests wait, which in turn makes the next lock slow: without the draining
    phase one pause would lead to the next.
    """

    def __init__(self) -> None:
        self._slow_share = 0.0
        self._drain_left = 0
        self._has_paused = self._is_overdue = False

    def pause_s(self, foreign_events: int, lock_wait_s: float, overdue_s: float) -> float:
        """Seconds to pause after an iteration: 0 or PAUSE_S.

        `foreign_events` is how many outbox changes by others it received, `lock_wait_s` how long
        it waited for the commit lock, `overdue_s` how long the oldest ready delivery has waited.
        """
        self._slow_share += SMOOTHING * ((lock_wait_s > SLOW_LOCK_S) - self._slow_share)
        if self._has_paused and foreign_events < BURST_MIN_EVENTS:
            self._slow_share, self._drain_left = 0.0, DRAIN_ITERATIONS
        is_idle = not foreign_events and overdue_s == 0
        self._drain_left = 0 if is_idle else max(self._drain_left - 1, 0)
        self._is_overdue = overdue_s > (0 if self._is_overdue else MAX_OVERDUE_S)
        may_pause = not (is_idle or self._drain_left or self._is_overdue)
        self._has_paused = may_pause and self._slow_share > 1 / 2
        return PAUSE_S if self._has_paused else 0.0
