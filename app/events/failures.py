"""failure.json: the dead deliveries, and what an operator can do about them.

There is one entry for each (event, handler). It goes only when the handler has succeeded, or when a
person discarded it with a reason; who replayed or discarded it stays in the event's timeline.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice

from marshmallow import fields

from app.events import outbox
from app.events.subscriptions import group_of
from app.events.types import Envelope
from app.kernel import clock
from app.kernel.errors import Conflict, NotFound
from app.kernel.personal_data import Erase
from app.schema.fields import Choice, Integer
from app.schema.validation import stored_document_check
from app.store import Collection, Document, Store, Transaction, View

FAILED, REPLAYING = "failed", "replaying"

FAILURES = Collection(
    name="failure",
    key="id",
    sort=lambda failure: str(failure["failed_at"]),
    indexes={
        "handler": lambda failure: [failure["handler"], group_of(failure["handler"])],
        "type": lambda failure: [failure["event"]["type"]],
        "order": lambda failure: Envelope.from_cloudevent(failure["event"]).order_keys,
        "state": lambda failure: [failure["state"]],
    },
    listed=True,
    check=stored_document_check(
        handler=fields.String(required=True),
        state=Choice(FAILED, REPLAYING, required=True),
        error=fields.String(required=True),
        failed_at=fields.String(required=True),
        replays=Integer(minimum=0, maximum=10**6, required=True),
        event=fields.Dict(required=True),
    ),
)

REPLAY_BATCH_SIZE = 100
"""Entries replayed in one transaction: few enough that a POST hardly waits for the commit lock."""


@dataclass(frozen=True)
class Selection:
    """Filters over the failures; None matches all.

    `id` is a failure's or an event's, `handler` a handler's or a group's of subscribers, `order` an
    order's id or number, `error` a part of the text in any case, `since` a time as
    app.kernel.clock writes it.
    """

    id: str | None = None
    handler: str | None = None
    type: str | None = None
    order: str | None = None
    error: str | None = None
    since: str | None = None


def failure_id(event_id: str, handler: str) -> str:
    """The key of an entry."""
    return f"{event_id}:{handler}"


def find_entries(view: View, selection: Selection) -> list[Document]:
    """The selected entries, oldest failure first."""
    filters = {"handler": selection.handler, "type": selection.type, "order": selection.order}
    where = {name: value for name, value in filters.items() if value is not None}
    page = view.find(FAILURES.name, where, low=selection.since or "")
    return [failure for failure in page.documents if _matches(failure, selection)]


def put_entry(tx: Transaction, event: Document, handler: str, error: str) -> None:
    """Record a dead delivery: a new entry, or the update of the one that was being replayed."""
    key = failure_id(event["id"], handler)
    failure = {"state": FAILED, "error": error, "failed_at": clock.now()}
    new = {"id": key, "handler": handler, **failure, "replays": 0, "event": event}
    tx.put(FAILURES.name, (tx.get(FAILURES.name, key) or new) | failure)


def delete_entry(tx: Transaction, event_id: str, handler: str) -> None:
    """Delete the entry, if there is one, because its handler has succeeded."""
    tx.delete(FAILURES.name, failure_id(event_id, handler))


def erase_customer(tx: Transaction, order_id: str, erase: Erase) -> None:
    """Erase the customer from the entries of an order; they can be replayed as before."""
    for entry in tx.find(FAILURES.name, {"order": order_id}).documents:
        tx.put(FAILURES.name, erase(entry))


def replay(tx: Transaction, key: str, by: str) -> bool:
    """Make a dead delivery pending again. False if it is under way already, or gone.

    The entry stays in failure.json until its handler has succeeded. Raises NotFound when the
    event's outbox record is missing.
    """
    entry = tx.get(FAILURES.name, key)
    if entry is None or entry["state"] == REPLAYING:
        return False
    record, delivery = _load_delivery(tx, entry)
    outbox.log_action(delivery, "replayed", by=by)
    delivery.update(state=outbox.PENDING, before_replay=delivery["attempts"])
    outbox.save_record(tx, record)
    tx.put(FAILURES.name, entry | {"state": REPLAYING, "replays": entry["replays"] + 1})
    return True


def replay_all(store: Store, keys: Iterable[str], by: str) -> int:
    """Replay these entries, REPLAY_BATCH_SIZE to a transaction; returns how many it started."""
    count, left = 0, iter(keys)
    while batch := list(islice(left, REPLAY_BATCH_SIZE)):
        count += store.run_in_transaction(partial(_replay_batch, keys=batch, by=by))
    return count


def _replay_batch(tx: Transaction, keys: Iterable[str], by: str) -> int:
    return sum(replay(tx, key, by) for key in keys)


def discard(tx: Transaction, key: str, by: str, reason: str) -> None:
    """Give up a dead delivery, so that later events of its order go on.

    Raises NotFound, or Conflict while it is being replayed.
    """
    entry = tx.get(FAILURES.name, key)
    if entry is None:
        raise NotFound(f"There is no failure {key}.")
    if entry["state"] == REPLAYING:
        raise Conflict("This failure is being replayed at the moment; wait for the outcome.")
    record, delivery = _load_delivery(tx, entry)
    outbox.log_action(delivery, "discarded", by=by, reason=reason)
    delivery["state"] = outbox.DISCARDED
    outbox.save_record(tx, record)
    tx.delete(FAILURES.name, key)


def _matches(failure: Document, selection: Selection) -> bool:
    if selection.id not in (None, failure["id"], failure["event"]["id"]):
        return False
    return selection.error is None or selection.error.lower() in failure["error"].lower()


def _load_delivery(tx: Transaction, entry: Document) -> tuple[Document, Document]:
    """The entry's outbox record, and the delivery in it. Raises NotFound without a record."""
    record = outbox.find_open_event(tx, entry["event"]["id"])
    if record is None:
        raise NotFound(
            f"The event of failure {entry['id']} is not in the outbox; run `flask check`."
        )
    return record, record["deliveries"][entry["handler"]]
