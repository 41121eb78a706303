"""data/failure.json: the deliveries that failed for good, and what a person can do about them.

One entry for each (event, handler). An entry goes only when its handler has succeeded, or when a
person discarded it with a reason; who replayed or discarded it stays in the event's timeline.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from marshmallow import fields

from app.events import outbox
from app.events.types import Envelope
from app.kernel import clock
from app.kernel.errors import Conflict, NotFound
from app.schema.fields import Choice, Integer
from app.schema.validation import stored_document_check
from app.store import Collection, Document, Store, Transaction, View

FAILED, REPLAYING = "failed", "replaying"

FAILURES = Collection(
    name="failure",
    key="id",
    sort=lambda failure: str(failure["failed_at"]),
    indexes={
        "handler": lambda failure: [failure["handler"]],
        "type": lambda failure: [failure["event"]["type"]],
        "order": lambda failure: Envelope.from_cloudevent(failure["event"]).names,
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

_BATCH = 100


@dataclass(frozen=True)
class Selection:
    """Which failures are meant; what is None is not asked for.

    `order` is an id or a number, `error` a part of the text, `since` a moment as app.kernel.clock
    has it.
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


def find(view: View, selection: Selection) -> list[str]:
    """The ids of the selected entries as they stand now, oldest failure first."""
    return [failure["id"] for failure in entries(view, selection)]


def entries(view: View, selection: Selection) -> list[Document]:
    """The selected entries as they stand now, oldest failure first."""
    wanted = {"handler": selection.handler, "type": selection.type, "order": selection.order}
    where = {name: value for name, value in wanted.items() if value is not None}
    page = view.find(FAILURES.name, where, low=selection.since or "")
    return [failure for failure in page.documents if _matches(failure, selection)]


def record(tx: Transaction, event: Document, handler: str, error: str) -> None:
    """Append an entry, or bring the one that was being replayed up to date."""
    key = failure_id(event["id"], handler)
    entry = tx.get(FAILURES.name, key) or {
        "id": key,
        "handler": handler,
        "state": FAILED,
        "error": error,
        "failed_at": clock.now(),
        "replays": 0,
        "event": event,
    }
    tx.put(FAILURES.name, entry | {"state": FAILED, "error": error, "failed_at": clock.now()})


def forget(tx: Transaction, event_id: str, handler: str) -> None:
    """The handler has succeeded: the entry, if there is one, has had its day."""
    tx.delete(FAILURES.name, failure_id(event_id, handler))


def replay(tx: Transaction, key: str, by: str) -> bool:
    """Make a dead delivery pending again. False when it is under way already or gone meanwhile.

    The entry stays in failure.json until its handler has succeeded.
    """
    entry = tx.get(FAILURES.name, key)
    if entry is None or entry["state"] == REPLAYING:
        return False
    record, delivery = _found(tx, entry)
    outbox.note(delivery, "replayed", by=by)
    delivery.update(state=outbox.PENDING, before_replay=delivery["attempts"])
    outbox.store(tx, record)
    tx.put(FAILURES.name, entry | {"state": REPLAYING, "replays": entry["replays"] + 1})
    return True


def replay_all(store: Store, keys: Iterable[str], by: str) -> int:
    """Replay each, a hundred to a transaction; returns how many were set going."""
    begun, left = 0, iter(keys)
    while batch := list(islice(left, _BATCH)):
        with store.transaction() as tx:
            begun += sum(replay(tx, key, by) for key in batch)
    return begun


def discard(tx: Transaction, key: str, by: str, reason: str) -> None:
    """Give a failed delivery up for good. Raises NotFound; Conflict while it is being replayed."""
    entry = tx.get(FAILURES.name, key)
    if entry is None:
        raise NotFound(f"There is no failure {key}.")
    if entry["state"] == REPLAYING:
        raise Conflict("This failure is being replayed at the moment; wait for the outcome.")
    record, delivery = _found(tx, entry)
    outbox.note(delivery, "discarded", by=by, reason=reason)
    delivery["state"] = outbox.DISCARDED
    outbox.store(tx, record)
    tx.delete(FAILURES.name, key)


def _matches(failure: Document, selection: Selection) -> bool:
    if selection.id not in (None, failure["id"], failure["event"]["id"]):
        return False
    return selection.error is None or selection.error.lower() in failure["error"].lower()


def _found(tx: Transaction, entry: Document) -> tuple[Document, Document]:
    """The event's record in the outbox, and in it the delivery that failed. Raises NotFound."""
    record = tx.get(outbox.OUTBOX.name, entry["event"]["id"])
    if record is None:
        raise NotFound(
            f"The event of failure {entry['id']} is not in the outbox; run `flask check`."
        )
    return record, record["deliveries"][entry["handler"]]
