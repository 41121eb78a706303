"""The outbox: events on their way, in the same transaction as the change that caused them.

* `outbox` (data/outbox.json): events that some handler still has to deal with, each with the state
  of every delivery: pending → done, or pending → dead (then also in data/failure.json) → pending by
  replay, or → discarded by a person.
* `events` (data/events.json): events that every handler is through with.
* `timelines`: the ids of all events of an order, in order.

Services call `emit`; the dispatcher and the operators' commands call the rest.
"""

from collections.abc import Iterator

from app import clock
from app.events.types import Envelope, Event
from app.store import Collection, Document, Transaction, View

OUTBOX = Collection(name="outbox", key="id", listed=True)
EVENTS = Collection(name="events", key="id")
TIMELINES = Collection(name="timelines", key="subject")

PENDING, DONE, DEAD, DISCARDED = "pending", "done", "dead", "discarded"
OPEN = (PENDING, DEAD)


def emit(tx: Transaction, event: Event) -> None:
    """Record an event with a pending delivery for each handler that it names."""
    envelope = Envelope(
        tx.new_id(), event.source, event.type, clock.now(), event.subject, event.data
    )
    deliveries = {handler: {"state": PENDING, "attempts": 0} for handler in event.handled_by}
    tx.put(
        OUTBOX.name,
        {"id": envelope.id, "event": envelope.as_cloudevent(), "deliveries": deliveries},
    )
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


def record_done(tx: Transaction, record: Document, handler: str) -> None:
    """The handler is through with the event."""
    delivery = record["deliveries"][handler]
    delivery.pop("error", None)
    delivery.pop("retry_at", None)
    delivery.update(state=DONE, attempts=delivery["attempts"] + 1, at=clock.now())
    store(tx, record)


def record_retry(
    tx: Transaction, record: Document, handler: str, error: str, retry_at: str
) -> None:
    """The attempt failed; another one follows at `retry_at`."""
    delivery = record["deliveries"][handler]
    delivery.update(
        attempts=delivery["attempts"] + 1, at=clock.now(), error=error, retry_at=retry_at
    )
    store(tx, record)


def record_dead(tx: Transaction, record: Document, handler: str, error: str) -> None:
    """The last attempt failed, or no other can help."""
    delivery = record["deliveries"][handler]
    delivery.pop("retry_at", None)
    delivery.update(state=DEAD, attempts=delivery["attempts"] + 1, at=clock.now(), error=error)
    store(tx, record)


def store(tx: Transaction, record: Document) -> None:
    """Keep the record where it belongs: in the outbox while a delivery is open, else among the events."""
    if any(delivery["state"] in OPEN for delivery in record["deliveries"].values()):
        tx.put(OUTBOX.name, record)
    else:
        tx.delete(OUTBOX.name, record["id"])
        tx.put(EVENTS.name, record)
