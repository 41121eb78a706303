"""How deliveries give way to requests: clerks are answered first (docs/decisions/0018-waits.md)."""

COURTESY = 100
"""Who had to wait for its turn gives way, for so many times as long."""

LATELY = 0.1
"""The share of the newest wait in the mean of those of late: some ten waits count."""

MOMENT_S = 0.001
"""So long a mean is chance; that is no reason to rest."""

LONGEST_REST_S = 0.25
"""However busy the clerks are, deliveries get their turn so often."""

OVERDUE_S = 10.0
"""When a delivery has waited so long, there is no more giving way: this is no burst any more."""


class Courtesy:
    """How long to leave the store to the requests, by how long they had us wait lately.

    One long wait says little: it can be the disk, or a thread that writes mail. The exponentially
    weighted mean is what tells a burst from a steady day.
    """

    def __init__(self) -> None:
        self._mean_s = 0.0

    def rest_s(self, waited_s: float, due_s: float) -> float:
        """For how many seconds to rest after a step that had to wait `waited_s` for its turn.

        `due_s` says how long the oldest delivery that could run has waited.
        """
        self._mean_s += LATELY * (waited_s - self._mean_s)
        if due_s > OVERDUE_S:
            return 0.0
        return min(max(self._mean_s - MOMENT_S, 0.0) * COURTESY, LONGEST_REST_S)
