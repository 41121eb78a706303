"""The delivery loop: at least once, in order, and each handler independent of the others."""

import threading
from random import Random

import pytest
from freezegun import freeze_time

from app.events import outbox
from app.events.dispatch.loop import DeliveryLoop
from app.events.dispatch.retry import RetryPolicy
from app.events.types import OrderCancelled, OrderUpdated
from app.kernel.errors import Unavailable
from tests.conftest import PATIENCE_S
from tests.events.conftest import Shop
from tests.transactions import transaction

DOWN = Unavailable("the mail server is down")


def test_every_handler_gets_the_event_once(shop: Shop) -> None:
    """order.placed reaches inventory, billing and notification, and no other handler."""
    event_id = shop.emit()
    shop.deliver_all()
    for handler in (shop.inventory, shop.billing, shop.notification):
        assert handler.seen == [event_id]
    assert shop.orders.seen == []


def test_the_outbox_of_before_the_start_is_delivered(shop: Shop) -> None:
    """A crash between response and delivery loses no event; a long outbox is read in pages."""
    events = [shop.emit(f"order-{n}") for n in range(600)]
    shop.deliver(lambda: shop.count(outbox.OUTBOX) == 0)
    assert sorted(shop.billing.seen) == events


def test_an_effect_and_its_outcome_are_one_transaction(shop: Shop) -> None:
    """A transactional handler that fails leaves no effect; one that succeeds leaves it once."""
    shop.billing.fail_always(OSError("x"), "order-1")
    failed, done = shop.emit("order-1"), shop.emit("order-2")
    shop.deliver_all()
    assert len(shop.billing.seen) > 2
    effects = [effect for effect in shop.effects() if effect.endswith(":billing")]
    assert effects == [f"{done}:billing"], failed


def test_a_delivery_that_uses_up_its_attempts_is_dead_and_in_failure_json(shop: Shop) -> None:
    """The entry has the last error; the other handlers are done."""
    shop.billing.fail(OSError("a"), OSError("b"), OSError("c"))
    event_id = shop.emit()
    shop.deliver_all()
    states = shop.states(event_id)
    assert states == {"inventory": "done", "billing": "dead", "notification": "done"}
    assert [entry["error"] for entry in shop.failures()] == ["OSError: c"]


def test_the_delivery_shows_its_attempts_and_errors(shop: Shop) -> None:
    """While it is retried it shows the last error and the next time; its log keeps them all."""
    shop.policy = RetryPolicy(attempts=3, first_wait_s=60)
    shop.billing.fail(OSError("first"), OSError("second"))
    with freeze_time("2026-11-21T08:00:00Z") as clock:
        event_id = shop.emit()
        shop.deliver(lambda: shop.delivery(event_id, "billing")["attempts"] == 1)
        delivery = shop.delivery(event_id, "billing")
        assert delivery["error"] == "OSError: first"
        assert delivery["retry_at"] > delivery["at"]
        clock.tick(600)
        shop.deliver(lambda: shop.delivery(event_id, "billing")["attempts"] == 2)
        clock.tick(600)
        shop.deliver_all()
    delivery = shop.delivery(event_id, "billing")
    assert (delivery["state"], delivery["attempts"]) == ("done", 3)
    assert [line["error"] for line in delivery["log"]] == ["OSError: first", "OSError: second"]
    assert not {"error", "retry_at"} & delivery.keys()


def test_a_permanent_error_is_dead_at_once(shop: Shop) -> None:
    """A payload that can never succeed is not retried."""
    shop.notification.fail(ValueError("no such template"))
    event_id = shop.emit()
    shop.deliver_all()
    assert shop.delivery(event_id, "notification")["attempts"] == 1
    assert shop.states(event_id)["notification"] == "dead"


def test_retries_go_on_where_another_process_stopped(shop: Shop) -> None:
    """The number of attempts is in the outbox, so a restart does not count from one."""
    shop.policy = RetryPolicy(attempts=3, first_wait_s=0.001)
    shop.billing.fail_always(OSError("down"), "order-1")
    event_id = shop.emit()
    shop.deliver(lambda: shop.delivery(event_id, "billing")["attempts"] >= 1)
    shop.start_loop()
    shop.deliver_all()
    assert len(shop.billing.seen) == 3
    assert shop.delivery(event_id, "billing")["attempts"] == 3


def test_a_restart_does_not_bring_a_retry_forward(shop: Shop) -> None:
    """The time of the next attempt is in the outbox, for the next process as well."""
    shop.policy = RetryPolicy(attempts=3, first_wait_s=60)
    shop.billing.fail(OSError("down"))
    event_id = shop.emit()
    shop.deliver(lambda: shop.delivery(event_id, "billing")["attempts"] == 1)
    loop = shop.start_loop()
    for _ in range(3):
        loop.run_once()
    assert shop.billing.seen == [event_id]


def test_a_dead_delivery_holds_back_its_own_handler_and_order_only(shop: Shop) -> None:
    """Later events of that order wait for that handler; everything else is delivered."""
    shop.billing.fail(ValueError("bad"))
    first = shop.emit("order-1")
    shop.deliver_all()
    later = shop.emit("order-1", OrderUpdated)
    other = shop.emit("order-2")
    shop.deliver_all()
    others = {"inventory": "done", "shipping": "done", "notification": "done"}
    assert shop.states(later) == others | {"billing": "pending"}
    assert shop.states(other)["billing"] == "done"
    assert shop.billing.seen == [first, other]


def test_events_of_an_order_reach_each_handler_in_order(shop: Shop) -> None:
    """Retries, restarts and threads change nothing: FIFO for each (order, handler)."""
    random = Random(20261121)
    for handler in (shop.inventory, shop.billing, shop.notification):
        handler.fail(*(OSError("now and then") for _ in range(15)))
    shop.policy = RetryPolicy(attempts=50, first_wait_s=0.001)
    for _ in range(150):
        event = random.choice([OrderUpdated, OrderCancelled])
        shop.emit(f"order-{random.randrange(8)}", event)
        if random.random() < 0.3:
            shop.start_loop().run_once()
    shop.deliver_all()
    for handler in (shop.inventory, shop.billing, shop.notification):
        for order in set(handler.orders):
            seen = [e for e, o in zip(handler.seen, handler.orders, strict=True) if o == order]
            assert seen == sorted(seen)
        assert len(set(handler.seen)) == 150


def test_an_outage_uses_up_no_attempts(shop: Shop) -> None:
    """The breaker holds fifty orders during an outage; none gets into failure.json."""
    shop.notification.fail_always(DOWN)
    events = [shop.emit(f"order-{n}") for n in range(50)]
    shop.deliver(lambda: len(shop.billing.seen) == 50)
    assert shop.failures() == []
    tried = [shop.delivery(event_id, "notification")["attempts"] for event_id in events]
    assert max(tried) <= 1
    shop.notification.recover()
    shop.deliver_all()
    assert {
        event_id: shop.states(event_id)["notification"] for event_id in events
    } == dict.fromkeys(events, "done")


def test_an_outage_of_one_handler_does_not_hold_the_others(shop: Shop) -> None:
    """Each handler has a breaker of its own."""
    shop.notification.fail_always(DOWN)
    shop.emit()
    shop.deliver(lambda: len(shop.notification.seen) >= 3)
    later = shop.emit("order-2")
    shop.deliver(lambda: shop.states(later)["billing"] == shop.states(later)["inventory"] == "done")


def test_one_order_that_always_fails_is_not_an_outage(shop: Shop) -> None:
    """It opens the breaker; the next order shows that the peer is up, and the first one is dead."""
    shop.policy = RetryPolicy(attempts=5, first_wait_s=0.001)
    shop.notification.fail_always(DOWN, order="order-1")
    poison = shop.emit("order-1")
    shop.deliver(lambda: len(shop.notification.seen) == 5)
    shop.deliver(lambda: "retry_at" not in shop.delivery(poison, "notification"))
    assert shop.state(poison, "notification") == "pending"
    sound = shop.emit("order-2")
    shop.deliver(lambda: shop.state(sound, "notification") == "done")
    shop.deliver_all()
    assert shop.state(poison, "notification") == "dead"


def test_a_skipped_delivery_does_not_close_the_breaker(shop: Shop) -> None:
    """Orders without an address call no mail server, so they do not show that it is back."""
    shop.notification.fail_always(DOWN)
    shop.notification.reason_to_skip = "nobody to write to"
    shop.notification.skips = lambda event: event.subject.startswith("quiet")
    waiting = [shop.emit(f"order-{n}") for n in range(5)]
    shop.deliver(lambda: len(shop.notification.seen) >= 5 and _attempts(shop, waiting) == 4)
    for n in range(5):
        shop.deliver_to("notification", shop.emit(f"quiet-{n}"))
    assert _attempts(shop, waiting) == 4  # the fifth opened the breaker, which holds all of them
    assert shop.failures() == []


def test_a_delivery_held_by_the_breaker_shows_the_outage(shop: Shop) -> None:
    """It is pending, with the outage as its error and without a time of the next attempt."""
    shop.policy = RetryPolicy(attempts=100, first_wait_s=0.001)
    shop.notification.fail_always(DOWN)
    event_id = shop.emit()
    shop.deliver(lambda: len(shop.notification.seen) == 5)
    shop.deliver(lambda: "retry_at" not in shop.delivery(event_id, "notification"))
    delivery = shop.delivery(event_id, "notification")
    assert (delivery["state"], delivery["attempts"]) == ("pending", 4)
    assert delivery["error"] == "Unavailable: the mail server is down"


def test_a_slow_side_effect_does_not_delay_transactional_handlers(shop: Shop) -> None:
    """It runs in a thread of its own."""
    release = threading.Event()
    shop.notification.act = lambda _event: release.wait(PATIENCE_S)
    event_id = shop.emit()
    shop.deliver(lambda: shop.states(event_id)["billing"] == "done")
    assert shop.states(event_id)["notification"] == "pending"
    release.set()
    shop.deliver_all()


def test_a_side_effect_handler_can_skip_an_event(shop: Shop) -> None:
    """The delivery is done in the same transaction as the others, and notes the reason."""
    shop.notification.reason_to_skip = "nobody to write to"
    event = shop.emit()
    shop.start_loop().run_once()
    assert shop.states(event) == {"inventory": "done", "billing": "done", "notification": "done"}
    assert shop.delivery(event, "notification")["note"] == "nobody to write to"
    assert shop.notification.seen == []


def test_a_handler_cannot_change_its_event(shop: Shop) -> None:
    """The stored record keeps the event as it was emitted."""
    shop.inventory.act = lambda event: event.data.clear()
    event_id = shop.emit()
    shop.deliver_all()
    with shop.store.read() as view:
        record = outbox.find_event(view, event_id)
    assert record is not None
    assert record["event"]["data"] == {"order": {"number": 1001}}


@pytest.mark.parametrize("handler", ["billing", "fortune-telling"])
def test_a_delivery_to_a_removed_handler_is_dead(shop: Shop, handler: str) -> None:
    """An outbox of another version stops no other delivery; the entry says what is missing."""
    event_id = shop.emit()
    with transaction(shop.store) as tx:
        record = tx.get(outbox.OUTBOX.name, event_id)
        assert record is not None
        record["event"]["type"] = "order.of_a_later_version"
        record["deliveries"] = {handler: {"state": "pending", "attempts": 0}}
        outbox.save_record(tx, record)
    other = shop.emit("order-2")
    shop.deliver_all()
    [entry] = shop.failures()
    assert (entry["handler"], entry["error"].split(":")[0]) == (handler, "LookupError")
    assert set(shop.states(other).values()) == {"done"}


class SilentFeed:
    """The change feed of a process that has not received another process's changes yet."""

    def take(self, timeout_s: float) -> list[str]:
        return []

    def wake(self) -> None:
        pass


@pytest.mark.parametrize("left_the_outbox", [True, False])
def test_a_delivery_that_another_leader_made_is_not_repeated(
    shop: Shop, *, left_the_outbox: bool
) -> None:
    """A process that has just lost the lead sees the outcome in its transaction."""
    event_id = shop.emit()
    late = DeliveryLoop(shop.store, shop.registry, shop.policy, SilentFeed(), shop.worker_pool)
    late.load_outbox()
    with transaction(shop.store) as tx:
        record = tx.get(outbox.OUTBOX.name, event_id)
        assert record is not None
        for delivery in record["deliveries"].values():
            delivery["state"] = outbox.DONE
        if left_the_outbox:
            outbox.save_record(tx, record)
        else:
            tx.put(outbox.OUTBOX.name, record)
    late.run_once()
    late.run_once()
    assert shop.inventory.seen == shop.billing.seen == shop.notification.seen == []


def _attempts(shop: Shop, event_ids: list[str]) -> int:
    """The attempts of notification at these events, without those that its breaker held."""
    return sum(shop.delivery(event_id, "notification")["attempts"] for event_id in event_ids)
