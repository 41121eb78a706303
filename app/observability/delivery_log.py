"""The lines of the log that say what became of each delivery."""

import logging

from app.events.dispatch.delivery import Delivery
from app.events.dispatch.observer import Observer
from app.events.dispatch.outcome import DEAD, DONE, Outcome
from app.observability.log import LOG, ids_of

_LEVEL = {DONE: logging.INFO}


class DeliveryLog:
    """See app.events.dispatch.observer.Observer. Of what is given up, app.events tells itself."""

    def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
        """One line, in the event's trace."""
        level = _LEVEL.get(outcome.kind, logging.WARNING)
        if outcome.kind == DEAD or not LOG.wants(level):
            return
        event, handler = delivery.event, delivery.partition.handler
        details = {
            "outcome": outcome.kind,
            "attempt": delivery.attempt,
            "event": event.type,
            "event_id": event.id,
            "handler": handler,
            "subject": event.subject,
            "error": outcome.error or None,
            "note": outcome.note or None,
            **ids_of(delivery.span),
        }
        LOG.tell(level, f"{event.type} to {handler}: {outcome.kind}", details)

    def record_heartbeat(self, overdue_s: float) -> None:
        """Nothing to log."""


class ObserverGroup:
    """Several observers, each told the same."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
        """See Observer.record_attempt."""
        for each in self._observers:
            each.record_attempt(delivery, outcome)

    def record_heartbeat(self, overdue_s: float) -> None:
        """See Observer.record_heartbeat."""
        for each in self._observers:
            each.record_heartbeat(overdue_s)
