"""Logs the outcome of each delivery."""

import logging

from app.events.dispatch.delivery import Delivery
from app.events.dispatch.observer import Observer
from app.events.dispatch.outcome import DEAD, DONE, Outcome
from app.observability.log import LOG, trace_fields


class DeliveryLog(Observer):
    """An observer of deliveries; app.events itself logs those that are dead."""

    def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
        """Log one line, with the ids of the event's trace."""
        level = logging.INFO if outcome.kind == DONE else logging.WARNING
        if outcome.kind == DEAD or not LOG.is_enabled_for(level):
            return
        event, handler = delivery.event, delivery.partition.handler
        fields = {
            "outcome": outcome.kind,
            "attempt": delivery.attempt,
            "event": event.type,
            "event_id": event.id,
            "handler": handler,
            "subject": event.subject,
            "error": outcome.error or None,
            "note": outcome.note or None,
            **trace_fields(delivery.span),
        }
        LOG.log(level, f"{event.type} to {handler}: {outcome.kind}", fields)


class ObserverGroup(Observer):
    """An Observer that passes each call on to several others."""

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
