"""The plan of a replay."""

from app.events import failures, outbox
from app.events.failures import Selection
from app.events.replay import RUN, SKIP, WAIT, PlanEntry, plan_replay
from app.events.types import OrderUpdated
from tests.events.conftest import Shop
from tests.transactions import transaction


def planned(shop: Shop) -> list[PlanEntry]:
    with shop.store.read() as view:
        return plan_replay(view, Selection())


def fail(shop: Shop, order: str) -> str:
    shop.billing.fail(ValueError("bad"))
    event_id = shop.emit(order)
    shop.deliver_all()
    return event_id


def test_a_failure_will_run(shop: Shop) -> None:
    """Its plan entry has handler, type, order and error."""
    event_id = fail(shop, "order-1")
    [entry] = planned(shop)
    assert entry == PlanEntry(
        f"{event_id}:billing", RUN, "billing", "order.placed", "order-1", "ValueError: bad"
    )


def test_a_failure_that_is_replayed_already_is_skipped(shop: Shop) -> None:
    event_id = fail(shop, "order-1")
    with transaction(shop.store) as tx:
        failures.replay(tx, f"{event_id}:billing", by="eva")
    assert [entry.what for entry in planned(shop)] == [SKIP]


def test_a_failure_behind_a_dead_one_waits(shop: Shop) -> None:
    """It runs after the one before it, in the order of the events."""
    first, second = fail(shop, "order-1"), shop.emit("order-1", OrderUpdated)
    with transaction(shop.store) as tx:  # both are dead, as in a file of an older version
        record = tx.get(outbox.OUTBOX.name, second)
        assert record is not None
        outbox.mark_dead(record["deliveries"]["billing"], "bad too")
        outbox.save_record(tx, record)
        failures.put_entry(tx, record["event"], "billing", "bad too")
    entries = planned(shop)
    assert [(entry.id, entry.what) for entry in entries] == [
        (f"{first}:billing", RUN),
        (f"{second}:billing", WAIT),
    ]


def test_a_replayed_failure_waits_for_its_dead_predecessor(shop: Shop) -> None:
    """It does not overtake: both run, in order, once the first one is replayed."""
    first, second = fail(shop, "order-1"), shop.emit("order-1", OrderUpdated)
    shop.deliver_all()
    assert second not in shop.billing.seen
    with transaction(shop.store) as tx:
        failures.replay(tx, f"{first}:billing", by="eva")
    shop.deliver_all()
    assert shop.billing.seen == [first, first, second]


def test_the_plan_of_no_failures_is_empty(shop: Shop) -> None:
    assert planned(shop) == []
