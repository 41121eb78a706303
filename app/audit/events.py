"""Compares events, timelines and failures with each other and with the orders."""

from app.audit.comparison import Comparison
from app.audit.order_documents import OrderDocuments
from app.audit.report import AuditReport, Repair, documents_of
from app.events import failures, outbox
from app.events.types import TYPES_WITHOUT_TIMELINE, OrderCancelled, OrderDeleted, OrderPlaced
from app.kernel.order_states import VOIDED
from app.store import Document, View


def check_timeline(comparison: Comparison, documents: OrderDocuments) -> None:
    """A timeline names events that exist, once and in order, and its order follows from them."""
    order_id, ids, records = documents.order_id, documents.event_ids, documents.records
    for event_id in set(ids) - {record["id"] for record in records}:
        comparison.report.add("timeline", order_id, f"event {event_id}", "no such event")
    if ids != sorted(set(ids)):
        comparison.report.add("timeline", order_id, "each event once, in order", "another order")
    _check_order_of(comparison, documents.order, {record["event"]["type"] for record in records})


def _check_order_of(comparison: Comparison, order: Document | None, types: set[str]) -> None:
    """The order follows from the types of its events."""
    is_deleted = OrderDeleted.type in types
    if OrderPlaced.type not in types:
        return
    if order is None:
        if not is_deleted:
            comparison.add("document", "an order, by its events", "none", Repair.DELETION)
        return
    if is_deleted:
        comparison.add("document", "none, by its events", "an order")
    if OrderCancelled.type in types and order["status"] not in VOIDED:
        expected = f"{' or '.join(sorted(VOIDED))}, by its events"
        comparison.add("status", expected, order["status"])


def check_events(view: View, report: AuditReport) -> None:
    """Every event is in its timeline, and in the collection of its open deliveries."""

    def prefetch(page: list[Document]) -> None:
        outbox.prefetch_timelines(view, (each["event"]["subject"] for each in page))

    for collection in (*outbox.OUTBOXES, outbox.EVENTS.name):
        for record in documents_of(view, collection, prefetch):
            event_id = record["id"]
            if not _is_in_timeline(view, record):
                report.add("event", event_id, "a place in its timeline", "none")
            if collection != (right := outbox.collection_of(record)):
                report.add("event", event_id, f"{right}.json", f"{collection}.json")


def check_failures(view: View, report: AuditReport) -> None:
    """Every dead delivery has its entry in failure.json, and the other way round."""

    def prefetch_failures(page: list[Document]) -> None:
        view.prefetch((failures.FAILURES.name, key) for each in page for key in _failure_ids(each))

    def prefetch_events(page: list[Document]) -> None:
        outbox.prefetch_open_events(view, (each["event"]["id"] for each in page))

    for name in outbox.OUTBOXES:
        for record in documents_of(view, name, prefetch_failures):
            for key in _failure_ids(record):
                if not view.get(failures.FAILURES.name, key):
                    report.add("failure", key, "an entry", "none")
    for entry in documents_of(view, failures.FAILURES.name, prefetch_events):
        open_event = outbox.find_open_event(view, entry["event"]["id"]) or {"deliveries": {}}
        state = open_event["deliveries"].get(entry["handler"], {"state": "none"})["state"]
        expected = outbox.DEAD if entry["state"] == failures.FAILED else outbox.PENDING
        if state != expected:
            report.add("delivery", f"failure {entry['id']}", expected, state)


def _failure_ids(record: Document) -> list[str]:
    """The ids of the failures that an event's dead deliveries must have."""
    return [
        failures.failure_id(record["id"], handler)
        for handler, delivery in record["deliveries"].items()
        if delivery["state"] == outbox.DEAD
    ]


def _is_in_timeline(view: View, record: Document) -> bool:
    """Whether the timeline of its subject names the event, or it needs none."""
    if record["event"]["type"] in TYPES_WITHOUT_TIMELINE:
        return True
    return record["id"] in outbox.newest_event_ids(view, record["event"]["subject"])
