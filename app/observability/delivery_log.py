"""Logs the outcome of each delivery."""

import logging

from app.events.dispatch.observer import NullObserver, Observer
from app.events.dispatch.outcome import DEAD, DONE, Delivery, Verdict
from app.observability.log import LOG, trace_fields


class DeliveryLog(NullObserver):
    """An observer of deliveries; app.events itself logs those that are dead."""

    def delivered(self, delivery: Delivery, verdict: Verdict) -> None:
        """Log one line, with the ids of the event's trace."""
        level = logging.INFO if verdict.what == DONE else logging.WARNING
        if verdict.what == DEAD or not LOG.is_enabled_for(level):
            return
        event, handler = delivery.event, delivery.partition.handler
        fields = {
            "outcome": verdict.what,
            "attempt": delivery.attempt,
            "event": event.type,
            "event_id": event.id,
            "handler": handler,
            "subject": event.subject,
            "error": verdict.error or None,
            "note": verdict.note or None,
            **trace_fields(delivery.span),
        }
        LOG.log(level, f"{event.type} to {handler}: {verdict.what}", fields)


class ObserverGroup:
    """An Observer that passes each call on to several others."""

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
