"""Subscribers: handlers of other systems, which a document names."""

from collections.abc import Iterator

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from app.events import failures, outbox
from app.events.dispatch.inbox import MAX_READ_PER_ITERATION
from app.events.dispatch.loop import LOAD_PAGE_SIZE
from app.events.dispatch.retry_schedule import RetrySchedule
from app.events.event_feed import BEGINNING, read_page
from app.events.failures import FAILURES
from app.events.faults import FAULTS
from app.events.outbox import EVENTS, OUTBOX, SUBSCRIBER_OUTBOX
from app.events.registry import Refused
from app.events.subscribers import SubscriberHandler
from app.events.subscriptions import is_subscriber, matches, subscribe, subscribers_of
from app.events.types import (
    Envelope,
    OrderCancelled,
    OrderDeleted,
    OrderPlaced,
    OrderUpdated,
    ProductLowStock,
    ProductUpdated,
)
from app.kernel.errors import Unavailable
from app.store import Document, Transaction
from tests.events.conftest import Fake, Shop
from tests.transactions import transaction

DOWN = Unavailable("no response")
ONE, TWO = "hook:1", "hook:2"
WAITS_S = (5.0, 3600.0)


class Receivers:
    """The fakes of a group of subscribers, made by name as they are needed."""

    def __init__(self) -> None:
        self.fakes: dict[str, Fake] = {}

    def __getitem__(self, name: str) -> Fake:
        return self.fakes.setdefault(name, Fake(name))

    def handler(self, name: str) -> SubscriberHandler:
        fake = self[name]

        def run(event: Envelope) -> str:
            fake.run(event)
            return "thanks"

        return SubscriberHandler(
            name, run, fake.prepare, retries=RetrySchedule(WAITS_S), record=_details
        )


def _details(
    _tx: Transaction, _event: Envelope, value: str, error: BaseException | None
) -> tuple[Document, BaseException | None]:
    return {"response": value or str(error)}, error


@pytest.fixture
def receivers(shop: Shop) -> Receivers:
    """Two subscribers: one of every event of an order, one of placed orders only."""
    receivers = Receivers()
    shop.registry.connect_group("hook", receivers.handler)
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, ["order.*"])
        subscribe(tx, TWO, ["order.placed"])
    return receivers


@pytest.fixture
def clock() -> Iterator[FrozenDateTimeFactory]:
    with freeze_time("2026-11-21T08:00:00Z") as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*", ["order.placed", "order.updated", "product.low_stock"]),
        ("order.*", ["order.placed", "order.updated"]),
        ("order.placed", ["order.placed"]),
        ("orde*", ["order.placed", "order.updated"]),
        ("order", []),
    ],
)
def test_a_pattern_names_event_types(pattern: str, matched: list[str]) -> None:
    """It is a whole type, or the beginning of some with a star."""
    types = ["order.placed", "order.updated", "product.low_stock"]
    assert [each for each in types if matches(pattern, each)] == matched


def test_an_event_lists_the_subscribers_of_its_type(shop: Shop, receivers: Receivers) -> None:
    """Each stands beside the shop's handlers, and gets the event once."""
    placed, updated = shop.emit(), shop.emit(event=OrderUpdated)
    shop.deliver_all()
    assert {each for each in shop.states(placed) if is_subscriber(each)} == {ONE, TWO}
    assert {each for each in shop.states(updated) if is_subscriber(each)} == {ONE}
    assert (receivers[ONE].seen, receivers[TWO].seen) == ([placed, updated], [placed])


def test_subscribers_have_deliveries_of_their_own_once_the_shop_has_time(
    shop: Shop, receivers: Receivers
) -> None:
    """Until then the record only names them, and is as small for fifty of them as for one."""
    event_id = shop.emit()
    with shop.store.read() as view:
        record = outbox.find_event(view, event_id) or {}
        (shown,) = outbox.timeline(view, "order-1")
    assert record["subscribers"] == [ONE, TWO]
    assert not record["deliveries"].keys() & {ONE, TWO}
    assert shown["deliveries"][ONE] == {"state": outbox.PENDING, "attempts": 0}
    shop.deliver_all()
    with shop.store.read() as view:
        record = outbox.find_event(view, event_id) or {}
    assert "subscribers" not in record
    assert record["deliveries"].keys() >= {ONE, TWO}


def test_a_subscription_ends_and_begins_with_its_transaction(
    shop: Shop, receivers: Receivers
) -> None:
    """Events from before are delivered as they list it; later ones do not list it."""
    before = shop.emit()
    with transaction(shop.store) as tx:
        subscribe(tx, TWO, [])
    after = shop.emit("order-2")
    shop.deliver_all()
    assert receivers[TWO].seen == [before]
    assert TWO not in shop.states(after)
    with shop.store.read() as view:
        assert subscribers_of(view, "order.placed") == [ONE]


def test_an_event_without_handlers_waits_for_its_subscribers(
    shop: Shop, receivers: Receivers
) -> None:
    """It begins among the events that only subscribers wait for."""
    with transaction(shop.store) as tx:
        subscribe(tx, TWO, ["product.*"])
    update_product(shop, "tea")
    assert (shop.count(OUTBOX), shop.count(SUBSCRIBER_OUTBOX)) == (0, 1)
    shop.deliver(lambda: shop.count(SUBSCRIBER_OUTBOX) == 0)
    assert receivers[TWO].orders == ["tea"]


def test_the_shop_does_not_wait_for_subscribers(shop: Shop, receivers: Receivers) -> None:
    """The event leaves the shop's outbox when its handlers are done, and is found all the same."""
    receivers[ONE].fail_always(DOWN)
    event_id = shop.emit()
    shop.deliver(lambda: shop.count(OUTBOX) == 0)
    assert shop.count(SUBSCRIBER_OUTBOX) == 1
    shop.deliver(lambda: shop.delivery(event_id, ONE)["attempts"] == 1)
    with shop.store.read() as view:
        assert outbox.find_event(view, event_id) is not None
        assert [each["id"] for each in outbox.timeline(view, "order-1")] == [event_id]
        assert view.get(EVENTS.name, event_id) is None


def test_a_refused_event_is_discarded(shop: Shop, receivers: Receivers) -> None:
    """The receiver wants no further attempt: it ends, with the reason, and is no failure."""
    receivers[TWO].fail(Refused("stop"))
    event_id = shop.emit()
    shop.deliver(lambda: shop.state(event_id, TWO) != outbox.PENDING)
    delivery = shop.delivery(event_id, TWO)
    assert delivery["state"] == outbox.DISCARDED
    assert [line["reason"] for line in delivery["log"]] == ["stop"]
    assert shop.failures() == []


def test_the_log_of_a_delivery_has_what_the_handler_says(shop: Shop, receivers: Receivers) -> None:
    """A failed attempt, and the one that succeeds after it; the last one has the response."""
    with freeze_time("2026-11-21T08:00:00Z") as clock:
        receivers[TWO].fail(DOWN)
        event_id = shop.emit()
        shop.deliver(lambda: shop.delivery(event_id, TWO)["attempts"] == 1)
        clock.tick(6)
        shop.deliver_to(TWO, event_id)
    log = shop.delivery(event_id, TWO)["log"]
    assert [(each["action"], each.get("response")) for each in log] == [
        ("failed", None),
        ("succeeded", "thanks"),
    ]


def test_retries_follow_the_schedule_also_after_a_restart(
    shop: Shop, receivers: Receivers, clock: FrozenDateTimeFactory
) -> None:
    """Neither earlier nor later; after the last one the delivery is in failure.json."""
    receivers[TWO].fail_always(DOWN)
    event_id = shop.emit()
    shop.deliver_what_is_due()
    for wait_s, attempts in ((4, 1), (2, 2), (3590, 2), (200, 3)):
        clock.tick(wait_s)
        shop.start_loop()
        shop.deliver_what_is_due()
        assert len(receivers[TWO].seen) == attempts
    assert shop.state(event_id, TWO) == outbox.DEAD
    assert [each["handler"] for each in shop.failures()] == [TWO]


def test_an_outage_uses_up_the_schedule(
    shop: Shop, receivers: Receivers, clock: FrozenDateTimeFactory
) -> None:
    """The open breaker spreads the attempts, but the deliveries end in failure.json."""
    receivers[TWO].fail_always(DOWN)
    events = [shop.emit(f"order-{n}") for n in range(8)]
    for _ in range(4):
        for _ in range(30):
            shop.deliver_what_is_due()
            clock.tick(1)
        clock.tick(3800)
    assert {shop.state(each, TWO) for each in events} == {outbox.DEAD}
    assert {shop.state(each, ONE) for each in events} == {outbox.DONE}


def test_order_is_kept_for_each_subscriber(shop: Shop, receivers: Receivers) -> None:
    """A dead delivery blocks later ones of its order to the same subscriber, and no others."""
    receivers[ONE].fail(ValueError("refused"))
    first, second = shop.emit(), shop.emit(event=OrderCancelled)
    shop.deliver(lambda: shop.state(first, ONE) == outbox.DEAD)
    other = shop.emit("order-2")
    shop.deliver_to(ONE, other)
    assert shop.state(second, ONE) == outbox.PENDING
    with transaction(shop.store) as tx:
        assert failures.replay(tx, failures.failure_id(first, ONE), "ops")
    shop.deliver_all()
    assert receivers[ONE].seen == [first, other, first, second]
    assert shop.count(FAILURES) == shop.count(SUBSCRIBER_OUTBOX) == 0


def test_failures_are_found_by_subscriber_and_by_group(shop: Shop, receivers: Receivers) -> None:
    """A group's name selects the failures of all its subscribers."""
    for name in (ONE, TWO):
        receivers[name].fail(ValueError("refused"))
    shop.emit()
    shop.deliver(lambda: len(shop.failures()) == 2)
    with shop.store.read() as view:
        found = [
            [each["handler"] for each in failures.find_entries(view, failures.Selection(handler=h))]
            for h in ("hook", ONE, "billing")
        ]
    assert (sorted(found[0]), found[1], found[2]) == ([ONE, TWO], [ONE], [])


def test_the_shop_does_not_wait_until_the_events_of_subscribers_are_read(
    shop: Shop, receivers: Receivers
) -> None:
    """There may be many at a start; none of them is sent before all are known."""
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, ["*"])
    for n in range(LOAD_PAGE_SIZE + 1):
        update_product(shop, f"tea-{n}")
    event_id = shop.emit(event=OrderDeleted)
    shop.start_loop().run_once()
    assert shop.inventory.seen == [event_id]
    assert not [each for each in shop.worker_pool.partitions if is_subscriber(each.handler)]
    shop.deliver(lambda: len(receivers[ONE].seen) == LOAD_PAGE_SIZE + 2)


def test_many_events_of_subscribers_are_no_burst_of_orders(
    shop: Shop, receivers: Receivers
) -> None:
    """As after a recovery: they are not overdue, and a new order goes before them."""
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, ["*"])
    loop = shop.start_loop()
    loop.run_once()
    for n in range(2 * MAX_READ_PER_ITERATION):
        update_product(shop, f"tea-{n}")
    event_id = shop.emit(event=OrderDeleted)
    iteration = loop.run_once()
    assert (iteration.foreign_events, iteration.overdue_s) == (1, 0.0)
    assert shop.inventory.seen == [event_id]


def test_an_earlier_event_that_only_subscribers_wait_for_goes_first(
    shop: Shop, receivers: Receivers
) -> None:
    """Also when it is read after a later event of the shop about the same product."""
    with transaction(shop.store) as tx:
        subscribe(tx, ONE, ["*"])
    loop = shop.start_loop()
    loop.run_once()
    for n in range(MAX_READ_PER_ITERATION):
        update_product(shop, f"tea-{n}")
    update_product(shop, "tea")
    with transaction(shop.store) as tx:
        outbox.emit(tx, ProductLowStock("tea", {"product": {}}))
    shop.deliver(lambda: receivers[ONE].orders.count("tea") == 2)
    received = zip(receivers[ONE].seen, receivers[ONE].orders, strict=True)
    about_tea = [event_id for event_id, subject in received if subject == "tea"]
    assert about_tea == sorted(about_tea)  # ids sort by time


def update_product(shop: Shop, sku: str) -> None:
    """Emit an event that no handler of the shop receives."""
    with transaction(shop.store) as tx:
        outbox.emit(tx, ProductUpdated(sku, {"product": {}}))


def test_a_retry_that_need_not_wait_any_more_runs_at_once(
    shop: Shop, receivers: Receivers, clock: FrozenDateTimeFactory
) -> None:
    """Another process may take the time of the next attempt out of the outbox."""
    receivers[TWO].fail(DOWN, DOWN)
    event_id = shop.emit()
    shop.deliver_what_is_due()
    clock.tick(6)
    shop.deliver_what_is_due()
    assert len(receivers[TWO].seen) == 2
    with transaction(shop.store) as tx:
        record = outbox.find_open_event(tx, event_id) or {}
        record["deliveries"][TWO].pop("retry_at")
        outbox.save_record(tx, record)
    shop.deliver_what_is_due()
    assert shop.state(event_id, TWO) == outbox.DONE


def test_a_subscriber_of_an_unknown_group_is_parked(shop: Shop) -> None:
    """Another version may have had it; a person decides."""
    with transaction(shop.store) as tx:
        subscribe(tx, "pigeon:1", ["*"])
    event_id = shop.emit()
    shop.deliver(lambda: shop.state(event_id, "pigeon:1") == outbox.DEAD)


def test_a_fault_switch_of_a_group_stops_its_subscribers(shop: Shop, receivers: Receivers) -> None:
    """A class can make all receivers fail."""
    with transaction(shop.store) as tx:
        switch = {"handler": "hook", "mode": "reject", "times": 1, "delay_s": 1, "order": None}
        tx.put(FAULTS.name, switch)
        subscribe(tx, ONE, [])
    shop.start_loop(with_faults=True)
    event_id = shop.emit()
    shop.deliver(lambda: shop.state(event_id, TWO) == outbox.DEAD)
    assert shop.count(FAULTS) == 0


def test_a_skipped_delivery_has_no_attempt_in_its_log(shop: Shop, receivers: Receivers) -> None:
    """Nothing was sent; the note has the reason."""
    receivers[TWO].reason_to_skip = "the endpoint is disabled"
    event_id = shop.emit()
    shop.deliver_to(TWO, event_id)
    delivery = shop.delivery(event_id, TWO)
    assert (delivery["note"], "log" in delivery) == ("the endpoint is disabled", False)


def test_the_event_feed_has_events_that_subscribers_wait_for(
    shop: Shop, receivers: Receivers
) -> None:
    """A reader of the feed sees every event, wherever it is stored."""
    receivers[ONE].fail_always(DOWN)
    events = [shop.emit(f"order-{n}", event=each) for n, each in enumerate((OrderPlaced,) * 2)]
    shop.deliver(lambda: shop.count(OUTBOX) == 0)
    assert [each["id"] for each in read_page(shop.store, BEGINNING, 10).events] == events
