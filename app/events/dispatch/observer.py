"""What the dispatcher tells whoever watches it.

An observer is called in the dispatcher's thread: it counts, and neither waits nor raises.
"""

from typing import Protocol

from app.events.dispatch.outcome import Delivery, Verdict


class Observer(Protocol):
    """Hears what came of each attempt, once that is on record."""

    def delivered(self, delivery: Delivery, verdict: Verdict) -> None:
        """An attempt to deliver has ended so."""

    def led(self, due_s: float) -> None:
        """The process leads, and has just made a step.

        The oldest delivery that could run now has waited `due_s` seconds; 0 when none waits.
        """


class NullObserver:
    """The observer of deliveries that nobody watches."""

    def delivered(self, delivery: Delivery, verdict: Verdict) -> None:
        """See Observer.delivered."""

    def led(self, due_s: float) -> None:
        """See Observer.led."""


NULL_OBSERVER = NullObserver()
