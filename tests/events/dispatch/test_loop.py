"""Deliveries: at least once, in order, each handler by itself, whatever the others do."""

import threading
from random import Random

import pytest

from app.events import outbox
from app.events.dispatch.loop import DeliveryLoop
from app.events.dispatch.retry import RetryPolicy
from app.events.types import OrderCancelled, OrderUpdated
from app.kernel.errors import Unavailable
from tests.events.conftest import PATIENCE_S, Shop

DOWN = Unavailable("the mail server is down")


def test_every_handler_gets_the_event_once(shop: Shop) -> None:
    """inventory, billing and notification hear of an order that was placed."""
    event_id = shop.emit()
    shop.deliver_all()
    for handler in (shop.inventory, shop.billing, shop.notification):
        assert handler.seen == [event_id]
    assert shop.orders.seen == []


def test_what_stood_in_the_outbox_before_the_start_is_delivered(shop: Shop) -> None:
    """A crash between answer and delivery loses no event; long lists are read in pages."""
    events = [shop.emit(f"order-{n}") for n in range(600)]
    shop.deliver(lambda: shop.count(outbox.OUTBOX) == 0)
    assert sorted(shop.billing.seen) == events


def test_an_effect_and_its_done_are_one_record(shop: Shop) -> None:
    """An inside handler that fails leaves nothing behind; one that succeeds leaves it once."""
    shop.billing.fail(OSError("x"), OSError("y"))
    event_id = shop.emit()
    shop.deliver(lambda: shop.delivery(event_id, "billing")["attempts"] == 1)
    assert f"{event_id}:billing" not in shop.effects()
    shop.deliver_all()
    assert shop.effects().count(f"{event_id}:billing") == 1


def test_a_handler_that_fails_for_good_is_dead_and_in_failure_json(shop: Shop) -> None:
    """After its attempts, with the reason; the other handlers are done."""
    shop.billing.fail(OSError("a"), OSError("b"), OSError("c"))
    event_id = shop.emit()
    shop.deliver_all()
    states = shop.states(event_id)
    assert states == {"inventory": "done", "billing": "dead", "notification": "done"}
    assert [entry["error"] for entry in shop.failures()] == ["OSError: c"]


def test_the_delivery_shows_its_attempts_and_errors(shop: Shop) -> None:
    """While it is retried: how often, why, and when next; afterwards the log has them all."""
    shop.policy = RetryPolicy(attempts=3, first_wait_s=0.05)
    shop.billing.fail(OSError("first"), OSError("second"))
    event_id = shop.emit()
    shop.deliver(lambda: shop.delivery(event_id, "billing")["attempts"] == 1)
    delivery = shop.delivery(event_id, "billing")
    assert delivery["error"] == "OSError: first"
    assert delivery["retry_at"] > delivery["at"]
    shop.deliver_all()
    delivery = shop.delivery(event_id, "billing")
    assert (delivery["state"], delivery["attempts"]) == ("done", 3)
    assert [line["error"] for line in delivery["log"]] == ["OSError: first", "OSError: second"]
    assert not {"error", "retry_at"} & delivery.keys()


def test_an_error_that_cannot_pass_is_parked_at_once(shop: Shop) -> None:
    """No retry for a payload that will never do."""
    shop.notification.fail(ValueError("no such template"))
    event_id = shop.emit()
    shop.deliver_all()
    assert shop.delivery(event_id, "notification")["attempts"] == 1
    assert shop.states(event_id)["notification"] == "dead"


def test_retries_go_on_where_another_process_stopped(shop: Shop) -> None:
    """The number of attempts is in the outbox, so a restart does not begin from one."""
    shop.policy = RetryPolicy(attempts=3, first_wait_s=0.001)
    shop.billing.fail_always(OSError("down"), "order-1")
    event_id = shop.emit()
    shop.deliver(lambda: shop.delivery(event_id, "billing")["attempts"] == 2)
    shop.begin()
    shop.deliver_all()
    assert len(shop.billing.seen) == 3
    assert shop.delivery(event_id, "billing")["attempts"] == 3


def test_a_restart_does_not_hurry_a_retry(shop: Shop) -> None:
    """What is due in a minute is due in a minute for the next process too."""
    shop.policy = RetryPolicy(attempts=3, first_wait_s=60)
    shop.billing.fail(OSError("down"))
    event_id = shop.emit()
    shop.deliver(lambda: shop.delivery(event_id, "billing")["attempts"] == 1)
    work = shop.begin()
    for _ in range(3):
        work.step()
    assert shop.billing.seen == [event_id]


def test_a_dead_delivery_holds_back_its_own_handler_and_order_only(shop: Shop) -> None:
    """Later events of that order wait, for that handler; all else goes on."""
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
    """Whatever is retried, restarted or running at once: in order for each (order, handler)."""
    random = Random(20261121)
    for handler in (shop.inventory, shop.billing, shop.notification):
        handler.fail(*(OSError("now and then") for _ in range(15)))
    shop.policy = RetryPolicy(attempts=50, first_wait_s=0.001)
    for _ in range(150):
        event = random.choice([OrderUpdated, OrderCancelled])
        shop.emit(f"order-{random.randrange(8)}", event)
        if random.random() < 0.3:
            shop.begin().step()
    shop.deliver_all()
    for handler in (shop.inventory, shop.billing, shop.notification):
        for order in set(handler.orders):
            seen = [e for e, o in zip(handler.seen, handler.orders, strict=True) if o == order]
            assert seen == sorted(seen)
        assert len(set(handler.seen)) == 150


def test_an_outage_is_waited_out_and_uses_up_no_attempts(shop: Shop) -> None:
    """The breaker: fifty orders during an outage, none of them in failure.json."""
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


def test_a_handler_that_is_up_is_not_held_up_by_one_that_is_down(shop: Shop) -> None:
    """Each handler has a breaker of its own."""
    shop.notification.fail_always(DOWN)
    shop.emit()
    shop.deliver(lambda: len(shop.notification.seen) >= 3)
    later = shop.emit("order-2")
    shop.deliver(lambda: shop.states(later)["billing"] == shop.states(later)["inventory"] == "done")


def test_one_order_that_always_finds_its_peer_down_is_no_outage(shop: Shop) -> None:
    """It has opened the breaker; the next order shows that the peer is there, and it is parked."""
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


def test_what_need_not_be_sent_is_no_sign_that_the_peer_is_back(shop: Shop) -> None:
    """Orders without an address, in an outage: those that wait are left alone."""
    shop.notification.fail_always(DOWN)
    shop.notification.reason_to_skip = "nobody to write to"
    shop.notification.skips = lambda event: event.subject.startswith("quiet")
    waiting = [shop.emit(f"order-{n}") for n in range(5)]
    shop.deliver(lambda: len(shop.notification.seen) == 5)
    for n in range(5):
        shop.deliver_to("notification", shop.emit(f"quiet-{n}"))
    tried = [shop.delivery(event_id, "notification")["attempts"] for event_id in waiting]
    assert max(tried) <= 1
    assert shop.failures() == []


def test_what_the_breaker_holds_says_why(shop: Shop) -> None:
    """Pending, with the outage as its error, and no promise when it will be tried."""
    shop.policy = RetryPolicy(attempts=100, first_wait_s=0.001)
    shop.notification.fail_always(DOWN)
    event_id = shop.emit()
    shop.deliver(lambda: len(shop.notification.seen) == 5)
    shop.deliver(lambda: "retry_at" not in shop.delivery(event_id, "notification"))
    delivery = shop.delivery(event_id, "notification")
    assert (delivery["state"], delivery["attempts"]) == ("pending", 4)
    assert delivery["error"] == "Unavailable: the mail server is down"


def test_a_handler_outside_holds_up_nobody_inside(shop: Shop) -> None:
    """Mail that takes its time runs in a thread of its own."""
    release = threading.Event()
    shop.notification.act = lambda _event: release.wait(PATIENCE_S)
    event_id = shop.emit()
    shop.deliver(lambda: shop.states(event_id)["billing"] == "done")
    assert shop.states(event_id)["notification"] == "pending"
    release.set()
    shop.deliver_all()


def test_a_handler_outside_may_have_nothing_to_do(shop: Shop) -> None:
    """Then it is done at once, in the transaction that delivers to the others, and says why."""
    shop.notification.reason_to_skip = "nobody to write to"
    event = shop.emit()
    shop.begin().step()
    assert shop.states(event) == {"inventory": "done", "billing": "done", "notification": "done"}
    assert shop.delivery(event, "notification")["note"] == "nobody to write to"
    assert shop.notification.seen == []


def test_what_a_handler_does_to_its_event_is_its_own_affair(shop: Shop) -> None:
    """Others get the event as it was emitted, and so it is kept."""
    shop.inventory.act = lambda event: event.data.clear()
    event_id = shop.emit()
    shop.deliver_all()
    with shop.store.read() as view:
        record = outbox.find_event(view, event_id)
    assert record is not None
    assert record["event"]["data"] == {"order": {"number": 1001}}


@pytest.mark.parametrize("handler", ["billing", "fortune-telling"])
def test_a_delivery_to_a_handler_that_is_gone_is_parked(shop: Shop, handler: str) -> None:
    """An outbox of another version stops nothing: the entry says what is missing."""
    event_id = shop.emit()
    with shop.store.transaction() as tx:
        record = tx.get(outbox.OUTBOX.name, event_id)
        assert record is not None
        record["event"]["type"] = "order.of_a_later_version"
        record["deliveries"] = {handler: {"state": "pending", "attempts": 0}}
        outbox.store(tx, record)
    other = shop.emit("order-2")
    shop.deliver_all()
    [entry] = shop.failures()
    assert (entry["handler"], entry["error"].split(":")[0]) == (handler, "LookupError")
    assert set(shop.states(other).values()) == {"done"}


class LateNews:
    """The feed of a process that has not heard yet what another one did."""

    def take(self, timeout_s: float) -> list[str]:
        return []

    def wake(self) -> None:
        pass


@pytest.mark.parametrize("left_the_outbox", [True, False])
def test_a_delivery_that_another_leader_made_is_not_made_again(
    shop: Shop, *, left_the_outbox: bool
) -> None:
    """Who has just lost the leadership sees it in the transaction, if not before."""
    event_id = shop.emit()
    late = DeliveryLoop(shop.store, shop.signals, shop.policy, LateNews(), shop.worker_pool)
    late.begin()
    with shop.store.transaction() as tx:
        record = tx.get(outbox.OUTBOX.name, event_id)
        assert record is not None
        for delivery in record["deliveries"].values():
            delivery["state"] = outbox.DONE
        if left_the_outbox:
            outbox.store(tx, record)
        else:
            tx.put(outbox.OUTBOX.name, record)
    late.step()
    late.step()
    assert shop.inventory.seen == shop.billing.seen == shop.notification.seen == []
