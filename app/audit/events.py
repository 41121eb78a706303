"""Compares events, timelines and failures with each other and with the orders."""

from itertools import chain

from app.audit.comparison import Comparison
from app.audit.report import AuditReport, Repair, documents_of
from app.events import failures, outbox
from app.events.types import TYPES_WITHOUT_TIMELINE, OrderCancelled, OrderDeleted, OrderPlaced
from app.kernel.order_states import VOIDED
from app.orders.documents import ORDERS
from app.store import Document, View


def check_timelines(view: View, report: AuditReport) -> None:
    """Each timeline names events that exist, once and in order, and its order follows from them."""
    for timeline in documents_of(view, outbox.TIMELINES.name):
        subject = timeline["subject"]
        ids = list(outbox.newest_event_ids(view, subject))[::-1]
        records = list(outbox.timeline(view, subject))
        for event_id in set(ids) - {record["id"] for record in records}:
            report.add("timeline", subject, f"event {event_id}", "no such event")
        if ids != sorted(set(ids)):
            report.add("timeline", subject, "each event once, in order", "another order")
        _check_order_of(view, report, subject, {record["event"]["type"] for record in records})


def check_events(view: View, report: AuditReport) -> None:
    """Every event is in its timeline, and in the collection of its open deliveries."""
    for collection in (*outbox.OUTBOXES, outbox.EVENTS.name):
        for record in documents_of(view, collection):
            event_id = record["id"]
            if not _is_in_timeline(view, record):
                report.add("event", event_id, "a place in its timeline", "none")
            if collection != (right := outbox.collection_of(record)):
                report.add("event", event_id, f"{right}.json", f"{collection}.json")


def check_failures(view: View, report: AuditReport) -> None:
    """Every dead delivery has its entry in failure.json, and the other way round."""
    for record in chain.from_iterable(documents_of(view, name) for name in outbox.OUTBOXES):
        for handler, delivery in record["deliveries"].items():
            key = failures.failure_id(record["id"], handler)
            if delivery["state"] == outbox.DEAD and not view.get(failures.FAILURES.name, key):
                report.add("failure", key, "an entry", "none")
    for entry in documents_of(view, failures.FAILURES.name):
        open_event = outbox.find_open_event(view, entry["event"]["id"]) or {"deliveries": {}}
        state = open_event["deliveries"].get(entry["handler"], {"state": "none"})["state"]
        expected = outbox.DEAD if entry["state"] == failures.FAILED else outbox.PENDING
        if state != expected:
            report.add("delivery", f"failure {entry['id']}", expected, state)


def _is_in_timeline(view: View, record: Document) -> bool:
    """Whether the timeline of its subject names the event, or it needs none."""
    if record["event"]["type"] in TYPES_WITHOUT_TIMELINE:
        return True
    return record["id"] in outbox.newest_event_ids(view, record["event"]["subject"])


def _check_order_of(view: View, report: AuditReport, order_id: str, types: set[str]) -> None:
    """The order follows from the types of its events."""
    if OrderPlaced.type not in types:
        return
    order, is_deleted = view.get(ORDERS.name, order_id), OrderDeleted.type in types
    where = f"order {order['number'] if order else order_id}"
    comparison = Comparison(view, report, where, order_id)
    if order is None:
        if not is_deleted:
            comparison.add("document", "an order, by its events", "none", Repair.DELETION)
        return
    if is_deleted:
        comparison.add("document", "none, by its events", "an order")
    if OrderCancelled.type in types and order["status"] not in VOIDED:
        expected = f"{' or '.join(sorted(VOIDED))}, by its events"
        comparison.add("status", expected, order["status"])
