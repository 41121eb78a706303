"""One blinker signal for each event type, and the handlers connected to it.

blinker holds the connections; it never sends. `Signal.send` stops at the first exception and has
no order, so the dispatcher calls each receiver by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import blinker

from app.events.types import EVENT_TYPES, Envelope, Event
from app.kernel.errors import DaybookError
from app.store import Transaction


class Skipped(DaybookError):
    """Raised by a handler that has nothing to do: the delivery is done, and its record says why."""


class Handler(Protocol):
    """What can be connected: called by the dispatcher, by itself, with the event."""

    @property
    def name(self) -> str:
        """The service it belongs to, as event types name it."""
        ...

    def __call__(self, event: Envelope, tx: Transaction | None = None) -> None:
        """Deal with the event. Raise Skipped, or what has it tried again or parked (retry.py)."""
        ...


@dataclass(frozen=True)
class TransactionalHandler:
    """A handler whose effects are all in the store: they and its `done` are one transaction.

    It computes and nothing else: no waiting, no files, no network, because it runs under the lock.
    """

    name: str
    run: Callable[[Transaction, Envelope], None]

    def __call__(self, event: Envelope, tx: Transaction | None = None) -> None:
        """See Handler; a transaction is required."""
        if tx is None:
            raise TypeError(f"{self.name} works inside a transaction")
        self.run(tx, event)


@dataclass(frozen=True)
class SideEffectHandler:
    """A handler with an effect outside the store (mail). It runs in a thread of its own, unlocked.

    A crash between its effect and its `done` repeats it, so it must bear being called twice.
    `consider` raises Skipped when there is nothing to do. It is asked first, under the lock, so it
    only computes; what is skipped costs no thread and no record of its own.
    """

    name: str
    run: Callable[[Envelope], None]
    precheck: Callable[[Envelope], None] = lambda _event: None

    def __call__(self, event: Envelope, tx: Transaction | None = None) -> None:
        """See Handler; there is no transaction."""
        self.run(event)


@dataclass(frozen=True)
class RequestReplyHandler:
    """A handler that asks a peer outside (the payment gateway), and keeps its books in the store.

    `decide` gets the answer to its last question, None at first, and returns the next question, or
    None when there is none left: then the delivery is done. It runs inside, as Inside does, and its
    effects are one transaction with what becomes of the delivery. `ask` runs outside, as Outside
    does, once what `decide` wrote is on disk. An answer can get lost in a crash; `decide` then
    starts with None again, so it writes down what it asks, and asks the same again.
    """

    name: str
    decide: Callable[[Transaction, Envelope, Any], Any]
    ask: Callable[[Any], Any]

    def __call__(self, event: Envelope, tx: Transaction | None = None) -> None:
        """Refuse: only the dispatcher can go back and forth. Raises TypeError."""
        raise TypeError(f"{self.name} is asked by the dispatcher, turn by turn")


class HandlerRegistry:
    """The signals of one application."""

    def __init__(self) -> None:
        self._namespace = blinker.Namespace()
        self._by_name: dict[tuple[str, str], Handler] = {}
        for event in EVENT_TYPES:
            self._namespace.signal(event.type, doc=event.__doc__)

    def connect(self, handler: Handler, *events: type[Event]) -> None:
        """Have `handler` called for these events."""
        for event in events:
            self._namespace[event.type].connect(handler, weak=False)
            self._by_name[event.type, handler.name] = handler

    def handlers(self, event_type: str) -> dict[str, Handler]:
        """The connected handlers of an event type, by name."""
        signal = self._namespace[event_type]
        connected = (cast(Handler, receiver) for receiver in signal.receivers_for(blinker.ANY))
        return {handler.name: handler for handler in connected}

    def handler(self, event_type: str, name: str) -> Handler:
        """The handler of that name; if it was there once and is no more, one that says so."""
        return self._by_name.get((event_type, name)) or TransactionalHandler(name, _refuse)

    def refuse_gaps(self) -> None:
        """Raise LookupError when a handler that an event type names is not connected."""
        for event in EVENT_TYPES:
            missing = set(event.handled_by) - set(self.handlers(event.type))
            if missing:
                raise LookupError(f"{event.type} has no handler {', '.join(sorted(missing))}")


def _refuse(_tx: Transaction, event: Envelope) -> None:
    raise LookupError(f"this handler is not connected to {event.type}; discard, or go back")
