"""Records how deliveries ended, in the transaction of the delivery loop.

`outcome` decides what an attempt led to and writes it; here it is brought together with the event's
record, the handler's retries and circuit breaker, and what a subscriber notes of its own.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from app.events.dispatch.delivery import Delivery, call, next_attempt
from app.events.dispatch.outcome import DONE, Outcome, decide, record_outcome
from app.events.dispatch.scheduling.breaker import Breaker
from app.events.outbox import PENDING
from app.events.registry import HandlerRegistry, SideEffectHandler
from app.events.subscribers import Retries, SubscriberHandler
from app.events.subscriptions import is_subscriber
from app.events.types import Envelope
from app.events.unit_of_work import UnitOfWork
from app.store import Document, Transaction


class OutcomeRecorder:
    """Records outcomes; `outcomes` has those of the current transaction, with their deliveries."""

    def __init__(
        self, registry: HandlerRegistry, policy: Retries, breaker_of: Callable[[str], Breaker]
    ) -> None:
        """`policy` is that of the shop's handlers; `breaker_of` returns a handler's breaker."""
        self.outcomes: list[tuple[Delivery, Outcome]] = []
        self._registry = registry
        self._policy = policy
        self._breaker_of = breaker_of

    def record(
        self,
        uow: UnitOfWork,
        delivery: Delivery,
        error: BaseException | None,
        value: Any,
        *,
        reached_peer: bool,
    ) -> Document | None:
        """Record the outcome of an attempt, unless it is; returns the event's record, if open.

        `value` is what a side-effect handler returned. See `decide` for `reached_peer`.
        """
        record = uow.get(delivery.event.id)
        if record and delivery.is_open(record):
            outcome = self._decide(uow.tx, delivery, error, value, reached_peer=reached_peer)
            self._add(uow.tx, record, delivery, outcome)
            self._record_skipped(uow.tx, record, delivery.event)
            uow.mark_changed(record)
        return record

    def _decide(
        self,
        tx: Transaction,
        delivery: Delivery,
        error: BaseException | None,
        value: Any,
        *,
        reached_peer: bool,
    ) -> Outcome:
        handler, policy = delivery.handler, self._policy
        details: Document = {}
        if isinstance(handler, SubscriberHandler):
            policy = handler.retries
            if reached_peer:
                details, error = handler.record(tx, delivery.event, value, error)
        attempt = delivery.attempt - delivery.before_replay
        breaker = self._breaker_of(delivery.partition.handler)
        outcome = decide(error, attempt, policy, breaker, reached_peer=reached_peer)
        return outcome._replace(details=details)

    def _record_skipped(self, tx: Transaction, record: Document, event: Envelope) -> None:
        """End the other deliveries of the event about which their handlers have nothing to do."""
        for name, entry in record["deliveries"].items():
            if entry["state"] != PENDING or is_subscriber(name):
                continue
            handler = self._registry.handler(event.type, name)
            if not isinstance(handler, SideEffectHandler):
                continue
            # an error of the handler is that of its own attempt, which follows
            if reason := call(partial(handler.skips, event)).value:
                skipped = next_attempt(self._registry, event, name, record)
                self._add(tx, record, skipped, Outcome(DONE, note=reason))

    def _add(self, tx: Transaction, record: Document, delivery: Delivery, outcome: Outcome) -> None:
        record_outcome(tx, record, delivery, outcome)
        self.outcomes.append((delivery, outcome))
