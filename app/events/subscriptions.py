"""Subscriptions: the handlers of other systems, and the event types that each receives.

A subscriber is a handler that a document names instead of this program, such as the webhook
endpoint `webhook:0192…`: the name of a group (see HandlerRegistry.connect_group), a colon, an id.
The outbox lists its deliveries beside those of the shop's own handlers.

`emit` reads the subscriptions for each event, so all are in one document. A package that owns
endpoints changes it in the transaction that changes an endpoint.
"""

from collections.abc import Sequence

from marshmallow import fields

from app.schema.validation import stored_document_check
from app.store import Collection, Place, Transaction, View

SEPARATOR = ":"
ALL = "all"

SUBSCRIPTIONS = Collection(
    name="subscriptions",
    key="name",
    check=stored_document_check(
        subscribers=fields.Dict(fields.String(), fields.List(fields.String()), required=True)
    ),
)
"""One document, `all`: the event types of each subscriber, as `subscribe` takes them."""

FAN_OUT = "subscribers:all"
"""What the delivery loop schedules for an event until its subscribers have deliveries of their own;
for `is_subscriber` it is one of them."""

SUBSCRIBERS: Place = SUBSCRIPTIONS.name, ALL
"""What `subscribers_of` reads."""


def subscriber_name(group: str, key: str) -> str:
    """The handler's name of a subscriber."""
    return f"{group}{SEPARATOR}{key}"


def is_subscriber(handler: str) -> bool:
    """Whether a handler, by name, belongs to another system."""
    return SEPARATOR in handler


def group_of(handler: str) -> str:
    """The group of a subscriber; the name itself for a handler of the shop.

    There are few groups, while there may be many subscribers: metrics have a label for each.
    """
    return handler.partition(SEPARATOR)[0]


def matches(pattern: str, event_type: str) -> bool:
    """Whether `pattern`, which is `*`, `order.*` or a whole type, names an event type."""
    if pattern.endswith("*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


def subscribe(tx: Transaction, subscriber: str, patterns: Sequence[str]) -> None:
    """Deliver later events of the types that the patterns name to the subscriber; none ends it."""
    subscribers = _subscribers(tx)
    subscribers.pop(subscriber, None)
    if patterns:
        subscribers[subscriber] = list(patterns)
    tx.put(SUBSCRIPTIONS.name, {"name": ALL, "subscribers": subscribers})


def subscribers_of(view: View, event_type: str) -> list[str]:
    """The names of the subscribers that receive an event type."""
    return [
        name
        for name, patterns in _subscribers(view).items()
        if any(matches(pattern, event_type) for pattern in patterns)
    ]


def groups_of_subscribers(view: View) -> list[str]:
    """The groups that have subscribers, by name."""
    return sorted({group_of(name) for name in _subscribers(view)})


def _subscribers(view: View) -> dict[str, list[str]]:
    document = view.get(*SUBSCRIBERS)
    return document["subscribers"] if document else {}
