"""The lines of the log that say what became of each delivery."""

import logging

from app.events.dispatch.observer import Observer
from app.events.dispatch.outcome import DEAD, DONE, Delivery, Verdict
from app.observability.log import LOG, ids_of

_LEVEL = {DONE: logging.INFO}


class DeliveryLog:
    """See app.events.dispatch.observer.Observer. Of what is given up, app.events tells itself."""

    def delivered(self, delivery: Delivery, verdict: Verdict) -> None:
        """One line, in the event's trace."""
        level = _LEVEL.get(verdict.what, logging.WARNING)
        if verdict.what == DEAD or not LOG.wants(level):
            return
        event, handler = delivery.event, delivery.partition.handler
        details = {
            "outcome": verdict.what,
            "attempt": delivery.attempt,
            "event": event.type,
            "event_id": event.id,
            "handler": handler,
            "subject": event.subject,
            "error": verdict.error or None,
            "note": verdict.note or None,
            **ids_of(delivery.span),
        }
        LOG.tell(level, f"{event.type} to {handler}: {verdict.what}", details)

    def led(self, due_s: float) -> None:
        """Nothing to log."""


class ObserverGroup:
    """Several observers, each told the same."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def delivered(self, delivery: Delivery, verdict: Verdict) -> None:
        """See Observer.delivered."""
        for each in self._observers:
            each.delivered(delivery, verdict)

    def led(self, due_s: float) -> None:
        """See Observer.led."""
        for each in self._observers:
            each.led(due_s)
