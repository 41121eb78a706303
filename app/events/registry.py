"""The handler registry: which handlers receive which event type.

A handler belongs to one service and is of one of three kinds, by where its effects are. It has the
name by which event types list it. It raises Skipped, or an error that retry.py classifies.
A subscriber (subscriptions.py) is a handler of another system; its group makes it from its name.

Each event type is a blinker signal; its receivers are the handlers, each connected with its name as
sender. blinker finds them, but never sends: `Signal.send` stops at the first exception, so the
delivery loop runs each handler itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import blinker

from app.events.subscriptions import group_of
from app.events.types import EVENT_TYPES, Envelope, Event
from app.kernel.errors import DaybookError
from app.store import Place, Transaction, View

Finish = Callable[[Sequence[Any]], None]
"""Completes together what `run` of a SideEffectHandler returned for several events."""


class Skipped(DaybookError):
    """Raised by a handler that has nothing to do: the delivery is done, and notes the reason."""


class Refused(Skipped):
    """The handler's peer wants no further attempt at the event: the delivery is discarded."""


@dataclass(frozen=True)
class TransactionalHandler:
    """A handler whose effects are all in the store: one transaction with the delivery's outcome.

    `run` only computes: it must not wait, or use files or the network, because it runs under the
    commit lock.
    """

    name: str
    run: Callable[[Transaction, Envelope], None]


@dataclass(frozen=True)
class SideEffectHandler:
    """A handler with an effect outside the store, such as a mail. It runs in the worker pool.

    `run` must be safe to repeat: a crash between the effect and its record runs it again.
    `prepare` returns what `run` gets: the event, with what it reads in the store; or raises Skipped
    when there is nothing to do. It runs first, in the transaction, so it only computes; a skipped
    delivery needs no thread and no later transaction.
    `skips` returns the reason where the event alone says that there is nothing to do, else "". Such
    a delivery waits for no earlier one of its order: it ends with the first other one of its event.
    `finish`, where there is one, completes together what `run` returned for several events, at less
    cost than one by one. It must be safe to repeat as well: if it raises, it gets each by itself.
    """

    name: str
    run: Callable[[Any], Any]
    prepare: Callable[[View, Envelope], Any] = lambda _view, event: event
    skips: Callable[[Envelope], str] = lambda _event: ""
    finish: Finish | None = None


@dataclass(frozen=True)
class RequestReplyHandler:
    """A handler that sends requests to a peer (the payment gateway) and stores the replies.

    `next_request(tx, event, reply)` runs in a transaction with the reply to the last request, None
    at first. It returns the next request, or None when the delivery is done. `send(request)` runs
    in the worker pool once that transaction is durable, and returns the reply.

    A crash can lose a reply. `next_request` is then called with None again: it must store each
    request before it returns it, and return the same one again.
    """

    name: str
    next_request: Callable[[Transaction, Envelope, Any], Any]
    send: Callable[[Any], Any]


Handler = TransactionalHandler | SideEffectHandler | RequestReplyHandler


class HandlerRegistry:
    """The handlers of one application, by event type."""

    def __init__(
        self, documents_of: Callable[[Envelope], Iterable[Place]] = lambda _event: ()
    ) -> None:
        """`documents_of` names what most handlers of an event read; it is prefetched for them."""
        self.documents_of = documents_of
        self._signals = blinker.Namespace()
        self._groups: dict[str, Callable[[str], Handler]] = {}

    def connect(self, handler: Handler, *events: type[Event]) -> None:
        """Have `handler` receive these event types, in place of one with the same name."""
        # for blinker a receiver is a callable, but nothing calls one
        receiver = cast(Any, handler)
        for event in events:
            signal = self._signals.signal(event.type)
            for replaced in list(signal.receivers_for(handler.name)):
                signal.disconnect(replaced)
            signal.connect(receiver, handler.name, weak=False)

    def connect_group(self, group: str, handler_of: Callable[[str], Handler]) -> None:
        """Have `handler_of(name)` make the handler of each subscriber of the group."""
        self._groups[group] = handler_of

    def groups(self) -> dict[str, Handler]:
        """A handler of each group of subscribers, by the group's name."""
        return {group: handler_of(group) for group, handler_of in self._groups.items()}

    def handlers(self, event: type[Event]) -> dict[str, Handler]:
        """The connected handlers of those that an event type lists, by name."""
        connected = ((name, self._find(event.type, name)) for name in event.handled_by)
        return {name: handler for name, handler in connected if handler}

    def handler(self, event_type: str, name: str) -> Handler:
        """The handler of that name; one that raises LookupError if none is connected."""
        if handler := self._find(event_type, name):
            return handler
        handler_of = self._groups.get(group_of(name))
        return handler_of(name) if handler_of else TransactionalHandler(name, _refuse)

    def check_complete(self) -> None:
        """Raise LookupError when a handler that an event type lists is not connected."""
        for event in EVENT_TYPES:
            missing = set(event.handled_by) - set(self.handlers(event))
            if missing:
                raise LookupError(f"{event.type} has no handler {', '.join(sorted(missing))}")

    def _find(self, event_type: str, name: str) -> Handler | None:
        receivers = self._signals.signal(event_type).receivers_for(name)
        return cast(Handler | None, next(receivers, None))


def _refuse(_tx: Transaction, event: Envelope) -> None:
    raise LookupError(
        f"this handler is not connected to {event.type}; discard the failure,"
        " or run the version that has the handler"
    )
