"""The outbox: events that still have to be delivered, stored with the change that caused them.

* `outbox` (outbox.json): events with an open delivery to a handler of the shop, each with the
  state of all deliveries: pending → done, or pending → dead (then also in failure.json) → pending
  again by a replay, or → discarded by a person; or pending → discarded by the handler's peer.
  `subscribers` names those that have no delivery of their own yet: they may be many, and a record
  is read and written many times before the shop's handlers are done.
* `subscriber_outbox`: events that only subscribers, which are other systems, still wait for. They
  may wait for a day, so they do not count as open events of the shop.
* `events` (events.json): events whose deliveries have all ended.
* `timelines`: for each order the ids of its events, oldest first, the earlier ones in
  `timeline_pages` (app/store/long_list.py). Events about products have none.

Services call `emit`; the dispatcher and the operators' commands call the rest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from marshmallow import fields

from app.events.subscriptions import FAN_OUT, SUBSCRIBERS, is_subscriber, subscribers_of
from app.events.types import Envelope, Event
from app.kernel import clock, trace
from app.kernel.errors import Invalid, Problem
from app.kernel.personal_data import Erase
from app.schema.fields import Integer
from app.schema.validation import stored_document_check
from app.store import Collection, Document, IssuedNumber, Place, Transaction, View
from app.store.long_list import LongList

PENDING, DONE, DEAD, DISCARDED = "pending", "done", "dead", "discarded"
OPEN = (PENDING, DEAD)
WAITING = "waiting"
"""How a timeline shows a pending delivery behind a dead one; it is never stored."""

_STATES = (*OPEN, DONE, DISCARDED)


def check_record(record: Document) -> None:
    """Raise Invalid for a record, such as one edited by hand, that cannot be delivered."""
    try:
        envelope = Envelope.from_cloudevent(record["event"])
        deliveries, subscribers = record["deliveries"], record.get("subscribers", [])
        is_sound = (
            envelope.id == record["id"]
            and FAN_OUT not in deliveries
            and isinstance(subscribers, list)
            and all(type(name) is str and is_subscriber(name) for name in subscribers)
            and all(
                delivery["state"] in _STATES and type(delivery["attempts"]) is int
                for delivery in deliveries.values()
            )
        )
    except (KeyError, TypeError, AttributeError):
        is_sound = False
    if not is_sound:
        raise Invalid([Problem("", "is not an event with its deliveries")])


def issued_numbers(record: Document) -> list[IssuedNumber]:
    """The order number in an event: it stays issued after the order was deleted."""
    order = record["event"]["data"].get("order")
    return [IssuedNumber("order", order["order_id"], order["number"])] if order else []


OUTBOX = Collection(
    name="outbox", key="id", listed=True, check=check_record, issued_numbers=issued_numbers
)
SUBSCRIBER_OUTBOX = Collection(
    name="subscriber_outbox",
    key="id",
    listed=True,
    check=check_record,
    issued_numbers=issued_numbers,
)
OUTBOXES = (OUTBOX.name, SUBSCRIBER_OUTBOX.name)
"""The collections of events that have an open delivery."""

EVENTS = Collection(name="events", key="id", check=check_record, issued_numbers=issued_numbers)
TIMELINES = Collection(
    name="timelines",
    key="subject",
    check=stored_document_check(
        events=fields.List(fields.String(), required=True),
        earlier_pages=Integer(minimum=1, maximum=10**9),
    ),
)
TIMELINE_PAGES = Collection(
    name="timeline_pages",
    key="page",
    check=stored_document_check(entries=fields.List(fields.String(), required=True)),
)
_IDS = LongList(TIMELINES.key, "events", TIMELINE_PAGES)


def emit(tx: Transaction, event: Event) -> None:
    """Add an event to the outbox, with a pending delivery for each handler; name subscribers."""
    # before the id is issued: the feed's `since=<time of an event>` then includes that event
    time = clock.now()
    span = trace.current()
    traceparent = span.traceparent if span else ""
    envelope = Envelope(
        tx.new_id(), event.source, event.type, time, event.subject, event.data, traceparent
    )
    record: Document = {"id": envelope.id, "event": envelope.as_cloudevent()}
    record["deliveries"] = {handler: new_delivery() for handler in event.handled_by}
    if subscribers := subscribers_of(tx, event.type):
        record["subscribers"] = subscribers
    save_record(tx, record)
    if not event.has_timeline:
        return
    tx.put(TIMELINES.name, _IDS.append(tx, _timeline_document(tx, event.subject), envelope.id))


def new_delivery() -> Document:
    """A delivery that no attempt has been made at."""
    return {"state": PENDING, "attempts": 0}


def deliveries_of(record: Document) -> Document:
    """The deliveries of an event by handler, with those to subscribers it only names so far."""
    listed: Document = record["deliveries"]
    named = (name for name in record.get("subscribers", ()) if name not in listed)
    return listed | {name: new_delivery() for name in named}


def fan_out(record: Document) -> None:
    """Give the subscribers that the record names a delivery of their own. The caller saves it."""
    record["deliveries"] = deliveries_of(record)
    record.pop("subscribers", None)


def documents_of_emit(subject: str) -> tuple[Place, ...]:
    """The documents that `emit` reads for an event about the subject."""
    return SUBSCRIBERS, (TIMELINES.name, subject)


def find_event(view: View, event_id: str) -> Document | None:
    """An event's record with its deliveries, whether open or finished; None without one."""
    return find_open_event(view, event_id) or view.get(EVENTS.name, event_id)


def find_open_event(view: View, event_id: str) -> Document | None:
    """The record of an event that has an open delivery; None without one."""
    return view.get(OUTBOX.name, event_id) or view.get(SUBSCRIBER_OUTBOX.name, event_id)


def prefetch_open_events(view: View, event_ids: Iterable[str]) -> None:
    """Have what `find_open_event` reads of these events at hand."""
    view.prefetch((outbox, event_id) for event_id in event_ids for outbox in OUTBOXES)


def places_of_events(event_ids: Iterable[str]) -> list[Place]:
    """The places in which `find_event` looks."""
    return [(name, each) for each in event_ids for name in (*OUTBOXES, EVENTS.name)]


def prefetch_timelines(view: View, subjects: Iterable[str]) -> None:
    """Have at hand what `newest_event_ids` reads of these orders."""
    timelines = [(TIMELINES.name, each) for each in dict.fromkeys(subjects)]
    view.prefetch(timelines)
    documents = filter(None, (view.get(*each) for each in timelines))
    view.prefetch([*timelines, *(page for each in documents for page in _IDS.pages_of(each))])


def newest_event_ids(view: View, subject: str) -> Iterator[str]:
    """The ids of an order's events, newest first, read as they are asked for."""
    yield from _IDS.newest_first(view, _timeline_document(view, subject))


def event_ids(view: View, timelines: Sequence[Document]) -> list[list[str]]:
    """The ids in each of some documents of `timelines`, oldest first."""
    view.prefetch(page for each in timelines for page in _IDS.pages_of(each))
    return [list(_IDS.newest_first(view, each))[::-1] for each in timelines]


def timeline(view: View, subject: str) -> Iterator[Document]:
    """The records of an order's events, oldest first; see `read_records`."""
    return read_records(view, list(newest_event_ids(view, subject))[::-1])


def read_records(view: View, event_ids: Iterable[str]) -> Iterator[Document]:
    """The records of an order's events, in the order of their ids.

    While an earlier delivery of the same handler is dead, a pending one is given as `waiting`, with
    the id of that event in `waiting_for`.
    """
    blocked: dict[str, str] = {}
    for event_id in event_ids:
        record = find_event(view, event_id)
        if record is None:
            continue
        record["deliveries"] = deliveries_of(record)
        for handler, delivery in record["deliveries"].items():
            if delivery["state"] == PENDING and handler in blocked:
                delivery.update(state=WAITING, waiting_for=blocked[handler])
            if delivery["state"] == DEAD:
                blocked.setdefault(handler, event_id)
        yield record


def erase_customer(tx: Transaction, subject: str, erase: Erase) -> None:
    """Erase the customer from an order's events, whether finished or not."""
    records = [find_event(tx, event_id) for event_id in newest_event_ids(tx, subject)]
    for record in filter(None, records):
        save_record(tx, erase(record))


def mark_done(delivery: Document, note: str = "", **details: object) -> None:
    """The handler succeeded; `note` says why it had nothing to do, if so.

    With `details`, such as what a receiver answered, the log has an entry of the attempt.
    """
    if note:
        delivery["note"] = note
    _end(delivery, DONE)
    if details:
        _log_attempt(delivery, "failed" if note else "succeeded", details)


def mark_refused(delivery: Document, reason: str, **details: object) -> None:
    """The handler's peer wants no further attempt. The log gets its `reason` and the `details`."""
    _end(delivery, DISCARDED)
    _log_attempt(delivery, "discarded", {"reason": reason} | details)


def mark_retry(delivery: Document, error: str, retry_at: str, **details: object) -> None:
    """The attempt failed; the next one is due at `retry_at`. The log gets the `details`."""
    _mark_failed(delivery, error, details, retry_at=retry_at)


def mark_held_by_breaker(delivery: Document, error: str) -> None:
    """The circuit breaker is open: the attempt does not count, and no time is set for the next."""
    delivery.pop("retry_at", None)
    delivery.update(at=clock.now(), error=error)


def mark_dead(delivery: Document, error: str, **details: object) -> None:
    """The attempt failed, and no further one is made. The log gets the `details`."""
    _mark_failed(delivery, error, details, state=DEAD)


def log_action(delivery: Document, action: str, **details: object) -> None:
    """Append an attempt, a replay or a discard to the delivery's log, with the time."""
    delivery.setdefault("log", []).append({"at": clock.now(), "action": action} | details)


def save_record(tx: Transaction, record: Document) -> None:
    """Store the record in the collection that its open deliveries belong to."""
    collection = collection_of(record)
    if collection != OUTBOX.name:
        tx.delete(OUTBOX.name, record["id"])
    if collection == EVENTS.name:
        tx.delete(SUBSCRIBER_OUTBOX.name, record["id"])
    tx.put(collection, record)


def collection_of(record: Document) -> str:
    """The collection that an event's record belongs to, by its open deliveries."""
    deliveries = record["deliveries"].items()
    still_open = [handler for handler, delivery in deliveries if delivery["state"] in OPEN]
    if not still_open and not record.get("subscribers"):
        return EVENTS.name
    return SUBSCRIBER_OUTBOX.name if all(map(is_subscriber, still_open)) else OUTBOX.name


def _timeline_document(view: View, subject: str) -> Document:
    return view.get(TIMELINES.name, subject) or {"subject": subject, "events": []}


def _end(delivery: Document, state: str) -> None:
    delivery.pop("error", None)
    delivery.pop("retry_at", None)
    delivery.update(state=state, attempts=delivery["attempts"] + 1, at=clock.now())


def _mark_failed(
    delivery: Document, error: str, details: Mapping[str, object], **outcome: str
) -> None:
    delivery.pop("retry_at", None)
    delivery.update(attempts=delivery["attempts"] + 1, at=clock.now(), error=error, **outcome)
    _log_attempt(delivery, "failed", {"error": error, **details})


def _log_attempt(delivery: Document, action: str, details: Mapping[str, object]) -> None:
    """Log an attempt, and drop the responses to earlier ones.

    A receiver's text may be long, and each outcome writes the whole record anew, with the
    deliveries to all subscribers.
    """
    for earlier in delivery.get("log", ()):
        earlier.pop("response", None)
    log_action(delivery, action, **details)
