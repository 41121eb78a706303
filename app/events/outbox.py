"""The outbox: events on their way, in the same transaction as the change that caused them.

* `outbox` (data/outbox.json): events that some handler still has to deal with, each with the state
  of every delivery: pending → done, or pending → dead (then also in data/failure.json) → pending by
  replay, or → discarded by a person.
* `events` (data/events.json): events that every handler is through with.
* `timelines`: the ids of all events of an order, in order. (Events about products have none.)

Services call `emit`; the dispatcher and the operators' commands call the rest.
"""

from collections.abc import Iterator
from itertools import takewhile

from marshmallow import fields

from app.events.types import Envelope, Event
from app.kernel import clock, trace
from app.kernel.errors import Invalid, Problem
from app.schema.validation import stored_document_check
from app.store import Collection, Document, IssuedNumber, Transaction, View

PENDING, DONE, DEAD, DISCARDED = "pending", "done", "dead", "discarded"
OPEN = (PENDING, DEAD)
_STATES = (*OPEN, DONE, DISCARDED)


def check_record(record: Document) -> None:
    """Raise Invalid when a record that a person wrote is none that can be delivered."""
    try:
        envelope = Envelope.from_cloudevent(record["event"])
        deliveries = record["deliveries"].values()
        is_sound = envelope.id == record["id"] and all(
            delivery["state"] in _STATES and type(delivery["attempts"]) is int
            for delivery in deliveries
        )
    except (KeyError, TypeError, AttributeError):
        is_sound = False
    if not is_sound:
        raise Invalid([Problem("", "is not an event with its deliveries")])


def given_to_orders(record: Document) -> list[IssuedNumber]:
    """The number of the order that an event tells of; it stands there when the order is gone."""
    order = record["event"]["data"].get("order")
    return [IssuedNumber("order", order["order_id"], order["number"])] if order else []


OUTBOX = Collection(name="outbox", key="id", listed=True, check=check_record, given=given_to_orders)
EVENTS = Collection(name="events", key="id", check=check_record, given=given_to_orders)
TIMELINES = Collection(
    name="timelines",
    key="subject",
    check=stored_document_check(events=fields.List(fields.String(), required=True)),
)


def emit(tx: Transaction, event: Event) -> None:
    """Record an event with a pending delivery for each handler that it names."""
    # the time first: whoever asks for events since then must not miss the one whose id says so
    time = clock.now()
    span = trace.current()
    envelope = Envelope(
        tx.new_id(),
        event.source,
        event.type,
        time,
        event.subject,
        event.data,
        span.traceparent if span else "",
    )
    deliveries = {handler: {"state": PENDING, "attempts": 0} for handler in event.handled_by}
    store(tx, {"id": envelope.id, "event": envelope.as_cloudevent(), "deliveries": deliveries})
    if not event.has_timeline:
        return
    timeline = tx.get(TIMELINES.name, event.subject) or {"subject": event.subject, "events": []}
    timeline["events"].append(envelope.id)
    tx.put(TIMELINES.name, timeline)


def find_event(view: View, event_id: str) -> Document | None:
    """An event with its deliveries, wherever it stands."""
    return view.get(OUTBOX.name, event_id) or view.get(EVENTS.name, event_id)


def timeline(view: View, subject: str) -> Iterator[Document]:
    """Every event of an order, oldest first, with its deliveries; what waits says behind what.

    A pending delivery is shown as `waiting` while an earlier one of the same handler is dead.
    """
    blocked: dict[str, str] = {}
    for event_id in (view.get(TIMELINES.name, subject) or {"events": []})["events"]:
        record = find_event(view, event_id)
        if record is None:
            continue
        for handler, delivery in record["deliveries"].items():
            if delivery["state"] == PENDING and handler in blocked:
                delivery.update(state="waiting", waiting_for=blocked[handler])
            if delivery["state"] == DEAD:
                blocked.setdefault(handler, event_id)
        yield record


def mark_done(delivery: Document, why_nothing: str = "") -> None:
    """The handler is through with the event; perhaps there was nothing to do, and it says why."""
    if why_nothing:
        delivery["note"] = why_nothing
    delivery.pop("error", None)
    delivery.pop("retry_at", None)
    delivery.update(state=DONE, attempts=delivery["attempts"] + 1, at=clock.now())


def mark_retry(delivery: Document, error: str, retry_at: str) -> None:
    """The attempt failed; another one follows at `retry_at`."""
    _mark_failed(delivery, error)
    delivery["retry_at"] = retry_at


def mark_held(delivery: Document, error: str) -> None:
    """The handler's peer is down: the attempt does not count, and the event waits for the peer."""
    delivery.pop("retry_at", None)
    delivery.update(at=clock.now(), error=error)


def mark_dead(delivery: Document, error: str) -> None:
    """The last attempt failed, or no other can help."""
    _mark_failed(delivery, error)
    delivery["state"] = DEAD


def note(delivery: Document, action: str, **details: object) -> None:
    """Add a line to the delivery's log: an attempt that failed, or what a person did, and when."""
    delivery.setdefault("log", []).append({"at": clock.now(), "action": action} | details)


def store(tx: Transaction, record: Document) -> None:
    """Keep the record in the outbox while a delivery is open, then among the events."""
    if any(delivery["state"] in OPEN for delivery in record["deliveries"].values()):
        tx.put(OUTBOX.name, record)
    else:
        tx.delete(OUTBOX.name, record["id"])
        tx.put(EVENTS.name, record)


class UnitOfWork:
    """The outbox's records that one transaction touches: each read once, and written once."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self._read: dict[str, Document | None] = {}
        self._events: dict[str, Envelope] = {}
        self._changed: dict[str, Document] = {}
        self._emitted: set[str] = set()

    def get(self, event_id: str) -> Document | None:
        """The record as it stands in this transaction; None when the event has left the outbox."""
        if event_id not in self._read:
            self._read[event_id] = self.tx.get(OUTBOX.name, event_id)
        return self._read[event_id]

    def event(self, event_id: str) -> Envelope:
        """The event of a record that is there: a copy, so what handlers do to it is not kept."""
        if event_id not in self._events:
            record = self.tx.get(OUTBOX.name, event_id) or {}
            self._events[event_id] = Envelope.from_cloudevent(record["event"])
        return self._events[event_id]

    def emitted_after(self, event: Envelope) -> Iterator[tuple[str, Document | None]]:
        """The later events about the same subject, newest first, and how their records stand."""
        emitted = self.tx.get(TIMELINES.name, event.subject) or {"events": []}
        for event_id in takewhile(lambda each: each > event.id, reversed(emitted["events"])):
            self._emitted.add(event_id)
            yield event_id, self.get(event_id)

    def put(self, record: Document) -> None:
        """Have `write` store the record as it will be then."""
        self._changed[record["id"]] = record

    def write(self) -> set[str]:
        """Store what was put; returns the ids of these events, and of what they gave rise to.

        Of what was emitted about other subjects it does not know.
        """
        for record in self._changed.values():
            store(self.tx, record)
        return self._changed.keys() | self._emitted


def _mark_failed(delivery: Document, error: str) -> None:
    delivery.pop("retry_at", None)
    delivery.update(attempts=delivery["attempts"] + 1, at=clock.now(), error=error)
    note(delivery, "failed", error=error)
