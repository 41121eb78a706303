"""A recovery delivers what a subscriber has not had since some time, each event once."""

from datetime import timedelta

import pytest
from freezegun import freeze_time

from app.events import failures, outbox
from app.events.event_feed import position_at
from app.events.failures import FAILURES
from app.events.outbox import EVENTS, SUBSCRIBER_OUTBOX
from app.events.recovery import RECOVERY_BATCH_SIZE, recover
from app.events.subscriptions import subscribe
from app.events.types import OrderCancelled, OrderUpdated
from app.kernel import clock
from app.kernel.errors import Unavailable
from app.store import Collection
from tests.events.conftest import Shop
from tests.events.test_subscribers import ONE, TWO, Receivers
from tests.transactions import transaction

DOWN = Unavailable("no answer")


@pytest.fixture
def receivers(shop: Shop) -> Receivers:
    """One subscriber of every event of an order."""
    receivers = Receivers()
    shop.registry.connect_group("hook", receivers.handler)
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, ["order.*"])
    return receivers


def in_collection(shop: Shop, collection: Collection, event_id: str) -> bool:
    with shop.store.read() as view:
        return view.get(collection.name, event_id) is not None


def time_of(shop: Shop, event_id: str) -> str:
    with shop.store.read() as view:
        record = outbox.find_event(view, event_id) or {}
    return str(record["event"]["time"])


def run(shop: Shop, since: str = "2020-01-01T00:00:00.000Z") -> int:
    return recover(shop.store, ONE, ["order.*"], since, "ops").events


def test_what_waits_for_its_next_attempt_is_delivered_at_once(
    shop: Shop, receivers: Receivers
) -> None:
    """The schedule begins anew, and the log says who asked for it."""
    receivers[ONE].fail(DOWN, DOWN)
    with freeze_time("2026-11-21T08:00:00Z") as frozen:
        event_id = shop.emit()
        shop.deliver_what_is_due()
        frozen.tick(timedelta(seconds=6))
        shop.deliver_what_is_due()
        assert shop.delivery(event_id, ONE)["attempts"] == 2
        assert run(shop) == 1
        shop.deliver_to(ONE, event_id)
    delivery = shop.delivery(event_id, ONE)
    assert (delivery["attempts"], delivery["before_replay"]) == (3, 2)
    assert [each["action"] for each in delivery["log"]] == [
        *("failed", "failed", "recovered", "succeeded")
    ]
    assert delivery["log"][2]["by"] == "ops"


def test_dead_deliveries_are_replayed_in_order(shop: Shop, receivers: Receivers) -> None:
    """The events behind a dead one follow it."""
    receivers[ONE].fail(ValueError("refused"))
    first, second = shop.emit(), shop.emit(event=OrderCancelled)
    shop.deliver(lambda: shop.state(first, ONE) == outbox.DEAD)
    assert run(shop) == 1
    shop.deliver_all()
    assert receivers[ONE].seen == [first, first, second]
    assert shop.count(FAILURES) == 0


def test_what_was_skipped_is_delivered(shop: Shop, receivers: Receivers) -> None:
    """An event that came while the endpoint was disabled was never sent."""
    receivers[ONE].reason_to_skip = "the endpoint is disabled"
    event_id = shop.emit()
    shop.deliver_all()
    receivers[ONE].reason_to_skip = ""
    assert run(shop) == 1
    assert (shop.count(SUBSCRIBER_OUTBOX), in_collection(shop, EVENTS, event_id)) == (1, False)
    shop.deliver_to(ONE, event_id)
    assert receivers[ONE].seen == [event_id]
    assert "note" not in shop.delivery(event_id, ONE)


def test_events_from_before_the_subscription_are_delivered(
    shop: Shop, receivers: Receivers
) -> None:
    """Those of its types, before later events of the same order; and no others."""
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, [])
    first, second = shop.emit(), shop.emit(event=OrderUpdated)
    shop.deliver_all()
    recovered = recover(shop.store, ONE, ["order.placed"], "2020-01-01T00:00:00.000Z", "ops")
    assert recovered == (1, None)
    shop.deliver_to(ONE, first)
    assert receivers[ONE].seen == [first]
    assert ONE not in shop.states(second)


def test_an_earlier_event_that_only_names_its_subscriber_goes_first(
    shop: Shop, receivers: Receivers
) -> None:
    """A recovery does not overtake the fan-out, which has other orders to do before."""
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, ["order.placed"])
    for n in range(10):
        shop.emit(f"other-{n}")
    placed, updated = shop.emit(), shop.emit(event=OrderUpdated)
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, ["order.*"])
    assert run(shop) == 1
    shop.deliver_all()
    received = zip(receivers[ONE].seen, receivers[ONE].orders, strict=True)
    assert [each for each, order in received if order == "order-1"] == [placed, updated]


def test_an_older_event_goes_before_one_that_waits(shop: Shop, receivers: Receivers) -> None:
    """The order of an order is kept, also with what a recovery adds."""
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, [])
    first = shop.emit()
    shop.deliver_all()
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, ["order.*"])
    receivers[ONE].fail(DOWN)
    with freeze_time("2099-11-21T08:00:00Z"):
        second = shop.emit(event=OrderUpdated)
        shop.deliver_what_is_due()
        assert shop.delivery(second, ONE)["attempts"] == 1
        with transaction(shop.store) as tx:
            record = outbox.find_event(tx, first) or {}
            record["deliveries"][ONE] = {"state": outbox.PENDING, "attempts": 0}
            tx.delete(EVENTS.name, first)
            outbox.save_record(tx, record)
        shop.deliver_what_is_due()
    assert receivers[ONE].seen[:2] == [second, first]


def test_what_was_delivered_or_discarded_is_left_alone(shop: Shop, receivers: Receivers) -> None:
    """A recovery repeats nothing that the subscriber has had; twice, it finds nothing more."""
    receivers[ONE].fail(ValueError("refused"))
    dead = shop.emit()
    shop.deliver(lambda: shop.state(dead, ONE) == outbox.DEAD)
    shop.deliver_to(ONE, shop.emit("order-2"))
    with transaction(shop.store) as tx:
        failures.discard(tx, failures.failure_id(dead, ONE), "ops", "not needed")
    assert run(shop) == 0
    waiting = shop.emit("order-3")
    assert run(shop) == 0
    shop.deliver_to(ONE, waiting)


def test_only_events_since_the_time_are_recovered(shop: Shop, receivers: Receivers) -> None:
    """However many there are."""
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, [])
    early, first = shop.emit("order-early"), shop.emit("order-early")
    while position_at(clock.parse_time(time_of(shop, first))) <= early:
        early, first = first, shop.emit("order-early")
    since = time_of(shop, first)
    for n in range(RECOVERY_BATCH_SIZE + 5):
        shop.emit(f"order-{n}")
    assert run(shop, since) == 1 + RECOVERY_BATCH_SIZE + 5


def test_a_recovery_is_bounded_and_says_where_to_go_on(shop: Shop, receivers: Receivers) -> None:
    """Years of events would not fit into memory; those that came first are sent first."""
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, [])
    events = [shop.emit(f"order-{n}") for n in range(2 * RECOVERY_BATCH_SIZE)]
    counts: list[int] = []
    since: str | None = "2020-01-01T00:00:00.000Z"
    while since:
        count, since = recover(shop.store, ONE, ["order.*"], since, "ops", max_events=1)
        counts.append(count)
    assert counts[0] == RECOVERY_BATCH_SIZE
    assert sum(counts) == len(events)
    assert all(shop.state(each, ONE) == outbox.PENDING for each in events)


def test_another_subscriber_is_not_concerned(shop: Shop, receivers: Receivers) -> None:
    """Only the one that is named gets anything."""
    with transaction(shop.store) as tx:
        subscribe(tx, TWO, ["order.*"])
        subscribe(tx, ONE, [])
    event_id = shop.emit()
    shop.deliver_all()
    run(shop)
    shop.deliver_to(ONE, event_id)
    assert receivers[TWO].seen == [event_id]
