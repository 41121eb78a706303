"""The deliveries to an endpoint, read from the events; recovery; failures of a deleted one."""

from datetime import datetime
from functools import partial
from typing import NamedTuple

from app.events import event_feed, failures, recovery
from app.events.failures import FAILURES
from app.events.outbox import deliveries_of
from app.events.recovery import Recovered
from app.kernel.errors import Conflict
from app.store import Document, Store, Transaction, View
from app.webhooks.service import find_endpoint, handler_name

DISCARD_BATCH_SIZE = 100


class DeliveryPage(NamedTuple):
    """Deliveries, oldest event first; where the next page begins; whether it may have some."""

    deliveries: list[Document]
    position: str
    has_more: bool


def read_deliveries(
    view: View, endpoint_id: str, position: str, limit: int, horizon: str
) -> DeliveryPage:
    """At most `limit` deliveries to an endpoint of events after `position`.

    Reads event_feed.MAX_SCANNED events at most, so a page can have none and still advance. It ends
    before `horizon`, the store's id horizon from before the view: no event can appear in it later.
    """
    name = handler_name(endpoint_id)
    scanned = event_feed.read_records(view, position, event_feed.MAX_SCANNED)
    records = [record for record in scanned if record["id"] < horizon]
    found = [record for record in records if name in deliveries_of(record)]
    page = found[:limit]
    is_cut = len(found) > limit
    read = page if is_cut else records
    return DeliveryPage(
        [_delivery(record, name) for record in page],
        read[-1]["id"] if read else position,
        is_cut or len(records) == event_feed.MAX_SCANNED,
    )


def newest_deliveries(view: View, endpoint_id: str, now: datetime, count: int) -> list[Document]:
    """The last deliveries to an endpoint, newest first, as far as the last day has any.

    Reads as few events as event_feed.newest_records.
    """
    name = handler_name(endpoint_id)
    records = event_feed.newest_records(
        view, now, lambda record: name in deliveries_of(record), count
    )
    return [_delivery(record, name) for record in records]


def recover(store: Store, endpoint_id: str, since: str, by: str) -> Recovered:
    """Send everything since a time that the receiver has not accepted.

    Raises NotFound, and Conflict while the endpoint is disabled.
    """
    with store.read() as view:
        endpoint = find_endpoint(view, endpoint_id)
    if not endpoint["enabled"]:
        raise Conflict("The webhook is disabled; enable it first.")
    return recovery.recover(store, handler_name(endpoint_id), endpoint["types"], since, by)


def discard_failures(store: Store, endpoint_id: str, by: str) -> None:
    """Discard the failures of an endpoint that was deleted, some in each transaction."""
    where = {"handler": handler_name(endpoint_id)}

    def discard_page(after: str | None, tx: Transaction) -> str | None:
        page = tx.find(FAILURES.name, where, after=after, limit=DISCARD_BATCH_SIZE)
        for entry in page.documents:
            if entry["state"] == failures.FAILED:
                failures.discard(tx, entry["id"], by, "the webhook was deleted")
        return page.next

    after = store.run_in_transaction(partial(discard_page, None))
    while after is not None:
        after = store.run_in_transaction(partial(discard_page, after))


def _delivery(record: Document, name: str) -> Document:
    """The delivery of one event as callers see it."""
    event, delivery = record["event"], deliveries_of(record)[name]
    about = {member: event[member] for member in ("type", "time", "subject")}
    shown = {"event_id": record["id"], **about, "state": delivery["state"]}
    kept = {member: delivery[member] for member in ("note", "retry_at") if member in delivery}
    return shown | {"attempts": delivery.get("log", [])} | kept
