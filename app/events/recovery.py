"""Recovery: sends a subscriber again, or for the first time, what it has not had since some time.

A receiver that was down for long has deliveries that wait for hours, some that are dead, and none
for what happened while it was disabled. A recovery makes all of them pending at once; those of each
order stay in order.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from app.events import event_feed, failures
from app.events.outbox import (
    DEAD,
    DONE,
    EVENTS,
    PENDING,
    deliveries_of,
    log_action,
    new_delivery,
    save_record,
)
from app.events.subscriptions import matches
from app.kernel import clock
from app.store import Document, Store, Transaction

RECOVERY_BATCH_SIZE = 100
"""Events examined in one transaction: few enough that a POST hardly waits for the commit lock."""

RECOVERY_MAX_EVENTS = 10_000
"""Events that one recovery delivers, to the next whole batch: each takes memory while it waits."""


class Recovered(NamedTuple):
    """How many events are delivered, and the time from which to recover the rest; None: no rest."""

    events: int
    next_since: str | None


def recover(
    store: Store,
    subscriber: str,
    patterns: Sequence[str],
    since: str,
    by: str,
    *,
    max_events: int = RECOVERY_MAX_EVENTS,
) -> Recovered:
    """Deliver the events since a time that the subscriber has not had, the oldest ones first.

    These are events of the types that `patterns` name, up to now. What was delivered or discarded
    is left as it is. `by` is recorded as the person who asked for it.
    """
    position = event_feed.position_at(clock.parse_time(since))
    end = store.run_in_transaction(lambda tx: tx.new_id())  # above those of all events until now

    def recover_batch(position: str, tx: Transaction) -> tuple[list[Document], int]:
        records = event_feed.read_records(tx, position, RECOVERY_BATCH_SIZE)
        wanted = [each for each in records if each["id"] < end]
        return wanted, sum(_recover(tx, each, subscriber, patterns, by) for each in wanted)

    count = 0
    while True:
        wanted, recovered = store.run_in_transaction(partial(recover_batch, position))
        count += recovered
        if len(wanted) < RECOVERY_BATCH_SIZE:
            return Recovered(count, None)
        if count >= max_events:
            return Recovered(count, wanted[-1]["event"]["time"])
        position = wanted[-1]["id"]


def _recover(
    tx: Transaction, record: Document, subscriber: str, patterns: Sequence[str], by: str
) -> bool:
    """Make the subscriber's delivery of one event pending and due now, if it has not had it."""
    delivery = deliveries_of(record).get(subscriber)
    if delivery is None:
        if not any(matches(pattern, record["event"]["type"]) for pattern in patterns):
            return False
        delivery = record["deliveries"][subscriber] = new_delivery()
    elif delivery["state"] == DEAD:
        return failures.replay(tx, failures.failure_id(record["id"], subscriber), by)
    elif not _is_unsent(delivery):
        return False
    for name in ("note", "error", "retry_at"):
        delivery.pop(name, None)
    delivery.update(state=PENDING, before_replay=delivery["attempts"])
    log_action(delivery, "recovered", by=by)
    tx.delete(EVENTS.name, record["id"])
    save_record(tx, record)
    return True


def _is_unsent(delivery: Document) -> bool:
    """Whether a delivery waits for its next attempt, or ended without one that succeeded."""
    if delivery["state"] == PENDING:
        return "error" in delivery
    return delivery["state"] == DONE and "note" in delivery
