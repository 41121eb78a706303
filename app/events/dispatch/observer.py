"""Reports of the delivery loop to metrics, logs and traces.

An observer is called in the dispatcher's thread: it must neither block nor raise.
"""

from app.events.dispatch.delivery import Delivery
from app.events.dispatch.outcome import Outcome


class Observer:
    """Receives the outcome of each attempt once it is durable, and the delivery loop's heartbeat.

    This class ignores every report; a subclass overrides those that it needs.
    """

    def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
        """An attempt ended with this outcome."""

    def record_heartbeat(self, overdue_s: float) -> None:
        """The delivery loop has completed an iteration.

        The oldest delivery that could run now has waited `overdue_s` seconds; 0 without one.
        """


NULL_OBSERVER = Observer()
