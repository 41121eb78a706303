"""How deliveries give way to requests: clerks go first (docs/decisions/0010-back-pressure.md)."""

MOMENT_S = 0.002
"""Who waits for its turn no longer than this does not hold anybody up."""

LATELY = 0.2
"""The share of the newest wait in what counts: some five of late do."""

REST_S = 0.25
"""So often deliveries get their turn, however busy the clerks are."""

BURST = 150
"""When others told of fewer events after a rest, deliveries can keep up."""

HURRY = 256
"""For so many steps (some seconds) there is then no rest, unless all is done before."""

OVERDUE_S = 10.0
"""When a delivery has waited so long, this is no burst any more: all has to be done somehow."""


class Throttle:
    """How long to leave the store to the requests, by how they had us wait lately.

    A long wait says little: it can be the disk. Most waits being long can be a burst, and whether
    it is one shows in what comes during a rest. When it is none, what the rest has piled up has to
    go: long steps have requests wait, who then have the next step wait, and so on.
    """

    def __init__(self) -> None:
        self._long = 0.0
        self._hurry = 0
        self._has_rested = self._is_late = False

    def rest_s(self, came: int, waited_s: float, due_s: float) -> float:
        """For how many seconds to rest after a step in which others told of `came` events.

        `waited_s` is how long it had to wait for its turn, `due_s` how long the oldest delivery
        that could run has waited. Once that was too long there is no rest until all is done.
        """
        self._long += LATELY * ((waited_s > MOMENT_S) - self._long)
        if self._has_rested and came < BURST:
            self._long, self._hurry = 0.0, HURRY
        is_idle = not came and due_s == 0
        self._hurry = 0 if is_idle else max(self._hurry - 1, 0)
        self._is_late = due_s > (0 if self._is_late else OVERDUE_S)
        is_free = is_idle or self._hurry > 0 or self._is_late
        self._has_rested = self._long > 1 / 2 and not is_free
        return REST_S if self._has_rested else 0.0
