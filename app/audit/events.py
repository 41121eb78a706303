"""Events, timelines and failures, compared with each other and with the orders."""

from app.audit.findings import Findings, Mend, document_of
from app.events import failures, outbox
from app.events.types import TIMELESS, OrderCancelled, OrderDeleted, OrderPlaced
from app.kernel.order_states import VOIDED
from app.orders.documents import ORDERS
from app.store import Document, View


def of_timelines(view: View, findings: Findings) -> None:
    """The events that a timeline names exist, once and in order, and the order is as they tell."""
    for subject in view.keys(outbox.TIMELINES.name):
        ids = document_of(view, outbox.TIMELINES.name, subject)["events"]
        records = list(outbox.timeline(view, subject))
        for event_id in set(ids) - {record["id"] for record in records}:
            findings.differ("timeline", subject, f"event {event_id}", "no such event")
        if ids != sorted(set(ids)):
            findings.differ("timeline", subject, "each event once, in order", "another order")
        _of_story(view, findings, subject, {record["event"]["type"] for record in records})


def of_events(view: View, findings: Findings) -> None:
    """Every event is in its timeline, and in the outbox only while a delivery is open."""
    for collection in (outbox.OUTBOX.name, outbox.EVENTS.name):
        for event_id in view.keys(collection):
            record = document_of(view, collection, event_id)
            if not _is_in_timeline(view, record):
                findings.differ("event", event_id, "a place in its timeline", "none")
            is_open = any(each["state"] in outbox.OPEN for each in record["deliveries"].values())
            if is_open != (collection == outbox.OUTBOX.name):
                right = outbox.OUTBOX.name if is_open else outbox.EVENTS.name
                findings.differ("event", event_id, f"{right}.json", f"{collection}.json")


def of_failures(view: View, findings: Findings) -> None:
    """Every dead delivery has its entry in failure.json, and the other way round."""
    for event_id in view.keys(outbox.OUTBOX.name):
        deliveries = document_of(view, outbox.OUTBOX.name, event_id)["deliveries"]
        for handler, delivery in deliveries.items():
            key = failures.failure_id(event_id, handler)
            if delivery["state"] == outbox.DEAD and not view.get(failures.FAILURES.name, key):
                findings.differ("failure", key, "an entry", "none")
    for key in view.keys(failures.FAILURES.name):
        entry = document_of(view, failures.FAILURES.name, key)
        record = view.get(outbox.OUTBOX.name, entry["event"]["id"]) or {"deliveries": {}}
        state = record["deliveries"].get(entry["handler"], {"state": "none"})["state"]
        expected = outbox.DEAD if entry["state"] == failures.FAILED else outbox.PENDING
        if state != expected:
            findings.differ("delivery", f"failure {key}", expected, state)


def _is_in_timeline(view: View, record: Document) -> bool:
    """Whether the event stands where it has to."""
    if record["event"]["type"] in TIMELESS:
        return True
    timeline = view.get(outbox.TIMELINES.name, record["event"]["subject"])
    return record["id"] in (timeline or {"events": []})["events"]


def _of_story(view: View, findings: Findings, subject: str, types: set[str]) -> None:
    """What an order's events say of the order."""
    if OrderPlaced.type not in types:
        return
    order = view.get(ORDERS.name, subject)
    if order is None:
        if OrderDeleted.type not in types:
            where = f"order {subject}"
            findings.differ(
                "document", where, "an order, by its events", "none", Mend.DELETION, subject
            )
        return
    where = f"order {order['number']}"
    if OrderDeleted.type in types:
        findings.differ("document", where, "none, by its events", "an order")
    if OrderCancelled.type in types and order["status"] not in VOIDED:
        expected = f"{' or '.join(sorted(VOIDED))}, by its events"
        findings.differ("status", where, expected, order["status"])
