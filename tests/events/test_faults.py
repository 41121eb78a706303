"""Fault switches: they show retry, failure.json and replay within a minute."""

import pytest
from freezegun import freeze_time

from app.events.faults import FAULTS, inject_fault_outside
from app.events.outbox import OUTBOX, emit
from app.events.types import Envelope, InventoryReserved, OrderUpdated
from tests.events.conftest import EFFECTS, Shop
from tests.transactions import transaction

HANDLERS = pytest.mark.parametrize("handler", ["billing", "notification"])
"""A transactional handler and a side-effect handler."""


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.start_loop(with_faults=True)
    return shop


def switch(shop: Shop, handler: str, mode: str, **settings: object) -> None:
    fault = {"handler": handler, "mode": mode, "times": None, "delay_s": 1, "order": None}
    with transaction(shop.store) as tx:
        tx.put(FAULTS.name, fault | settings)


def switch_off(shop: Shop, handler: str) -> None:
    with transaction(shop.store) as tx:
        tx.delete(FAULTS.name, handler)


@HANDLERS
def test_a_handler_set_to_fail_ends_in_failure_json(shop: Shop, handler: str) -> None:
    """It is retried first; the handler itself is never called, and the other handlers are."""
    switch(shop, handler, "fail")
    event_id = shop.emit()
    shop.deliver_all()
    [entry] = shop.failures()
    assert entry["handler"] == handler
    assert entry["error"] == f"FaultInjected: a fault switch is on for {handler} (fail)"
    assert shop.delivery(event_id, handler)["attempts"] == shop.policy.attempts
    assert (shop.inventory.seen, getattr(shop, handler).seen) == ([event_id], [])


@HANDLERS
def test_a_handler_set_to_fail_twice_succeeds_at_the_third_attempt(
    shop: Shop, handler: str
) -> None:
    """Each attempt counts the switch down, and the last one removes it."""
    switch(shop, handler, "fail", times=2)
    event_id = shop.emit()
    shop.deliver_all()
    assert shop.failures() == []
    delivery = shop.delivery(event_id, handler)
    assert (delivery["state"], delivery["attempts"]) == ("done", 3)
    assert shop.count(FAULTS) == 0


@HANDLERS
def test_a_handler_set_to_reject_is_not_retried(shop: Shop, handler: str) -> None:
    """A permanent error is dead at once."""
    switch(shop, handler, "reject")
    event_id = shop.emit()
    shop.deliver_all()
    assert shop.delivery(event_id, handler)["attempts"] == 1
    assert [entry["handler"] for entry in shop.failures()] == [handler]


def test_a_handler_set_to_be_down_fills_no_failure_json(shop: Shop) -> None:
    """Its events wait in the outbox until the switch is off; the others are done."""
    switch(shop, "billing", "down")
    events = [shop.emit(f"order-{n}") for n in range(20)]
    shop.deliver(lambda: len(shop.inventory.seen) == len(shop.notification.seen) == 20)
    assert shop.failures() == []
    switch_off(shop, "billing")
    shop.deliver_all()
    assert sorted(shop.billing.seen) == events


@HANDLERS
@pytest.mark.parametrize("name", ["order-2", "1002"])
def test_a_switch_for_one_order_leaves_the_others_alone(
    shop: Shop, handler: str, name: str
) -> None:
    """The order is given by its id or by its number."""
    switch(shop, handler, "fail", order=name)
    for n in (1, 2, 3):
        shop.emit(f"order-{n}", number=1000 + n)
    shop.deliver_all()
    assert [entry["event"]["subject"] for entry in shop.failures()] == ["order-2"]


def test_a_switch_by_number_matches_inventory_events_too(shop: Shop) -> None:
    """inventory.reserved has the order's number beside its version."""
    switch(shop, "orders", "reject", order="1002")
    for number in (1001, 1002):
        with transaction(shop.store) as tx:
            seen = {"number": number, "version": 1}
            emit(tx, InventoryReserved(f"order-{number}", seen))
    shop.deliver_all()
    assert [entry["event"]["subject"] for entry in shop.failures()] == ["order-1002"]


@HANDLERS
def test_a_slow_handler_delays_no_other_handler(shop: Shop, handler: str) -> None:
    """Its delivery starts after the delay; the other handlers are done long before."""
    with freeze_time() as frozen:
        switch(shop, handler, "slow", delay_s=1)
        first = shop.emit("order-1")
        second = shop.emit("order-1", OrderUpdated)
        shop.deliver(lambda: shop.inventory.seen == [first, second])
        assert getattr(shop, handler).seen == []
        switch_off(shop, handler)
        frozen.tick(1)
        shop.deliver_all()
    assert getattr(shop, handler).seen == [first, second]


def test_an_injected_fault_counts_the_switch_down_durably(shop: Shop) -> None:
    """The count is kept although the attempt failed, and the next attempt succeeds."""
    switch(shop, "billing", "fail", times=1)
    event_id = shop.emit()
    shop.deliver(lambda: shop.states(event_id)["billing"] == "done")
    assert sorted(shop.effects()) == [f"{event_id}:billing", f"{event_id}:inventory"]
    assert shop.count(EFFECTS) == 2


def test_switches_do_nothing_unless_enabled(shop: Shop) -> None:
    """A document in `faults` has no effect where DAYBOOK_FAULTS is off."""
    shop.start_loop(with_faults=False)
    switch(shop, "billing", "fail")
    shop.emit()
    shop.deliver_all()
    assert shop.failures() == []


def test_a_slow_switch_raises_nothing(shop: Shop) -> None:
    """The handler runs late, and the switch is not counted down."""
    switch(shop, "notification", "slow", delay_s=1)
    event_id = shop.emit()
    with shop.store.read() as view:
        event = Envelope.from_cloudevent((view.get(OUTBOX.name, event_id) or {})["event"])
    inject_fault_outside(shop.store, "notification", event)
    with shop.store.read() as view:
        assert view.count(FAULTS.name) == 1
