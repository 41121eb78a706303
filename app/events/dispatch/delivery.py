"""A delivery: one event on its way to one handler."""

from collections.abc import Callable
from time import time
from typing import Any, NamedTuple
from zlib import crc32

from app.events.outbox import PENDING
from app.events.registry import Handler, HandlerRegistry
from app.events.types import Envelope
from app.kernel import trace
from app.kernel.trace import TraceContext
from app.store import SHARDS, Document


def shard_of(subject: str) -> int:
    """The shard of an order's deliveries, the same in every process and version."""
    return crc32(subject.encode()) % SHARDS


class Partition(NamedTuple):
    """The deliveries of one order's events to one handler. They run in order, one at a time."""

    subject: str
    handler: str

    @property
    def shard(self) -> int:
        """The shard that all partitions of the order belong to."""
        return shard_of(self.subject)


class Delivery(NamedTuple):
    """One event on its way to one handler, and the number of this attempt (from 1).

    `before_replay` of the attempts were made before the last replay. `span` is the attempt's span
    in the event's trace, if it has one. `began` is Unix time, in seconds.
    """

    partition: Partition
    event: Envelope
    handler: Handler
    attempt: int
    before_replay: int = 0
    span: TraceContext | None = None
    began: float = 0.0

    def is_open(self, record: Document) -> bool:
        """Whether `record`, the event's outbox record, lacks the outcome of this attempt.

        The outcome can be there already: a store that reports an error may have kept the
        transaction.
        """
        entry = record["deliveries"][self.partition.handler]
        return bool(entry["state"] == PENDING and entry["attempts"] == self.attempt - 1)


def next_attempt(
    registry: HandlerRegistry, event: Envelope, name: str, record: Document
) -> Delivery:
    """The next attempt to deliver an event to the handler of that name; it begins now.

    `record` is the event's outbox record.
    """
    entry = record["deliveries"][name]
    return Delivery(
        Partition(event.subject, name),
        event,
        registry.handler(event.type, name),
        entry["attempts"] + 1,
        entry.get("before_replay", 0),
        trace.from_traceparent(event.traceparent),
        time(),
    )


class Result(NamedTuple):
    """The value that a call returned, or the exception it raised."""

    value: Any = None
    error: BaseException | None = None


def call(work: Callable[[], Any]) -> Result:
    """Call `work` and catch every error, so that one handler cannot stop the other deliveries."""
    try:
        return Result(work())
    except (Exception, SystemExit) as error:  # noqa: BLE001  (every error is recorded)
        return Result(error=error)
