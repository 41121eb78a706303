"""The pace: all deliveries are paused and run one by one, or late, while the lease lasts."""

from dataclasses import replace

import pytest
from freezegun import freeze_time

from app.events import pace
from app.events.faults import EVERY_HANDLER, FAULTS, find_switches
from app.events.outbox import PENDING
from app.events.types import OrderUpdated
from app.kernel import clock
from tests.events.conftest import QUICK, Shop
from tests.transactions import transaction


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """With fault switches."""
    shop.start_loop(with_faults=True)
    return shop


def pause(shop: Shop) -> None:
    """Pause every delivery."""
    with transaction(shop.store) as tx:
        pace.pause(tx)


def release(shop: Shop) -> bool:
    """Release the next delivery."""
    with transaction(shop.store) as tx:
        return pace.release_next(tx)


def iterate(shop: Shop, times: int = 3) -> None:
    """Run some iterations of the loop."""
    left = iter(range(times))
    shop.deliver(lambda: next(left, None) is None)


def done(shop: Shop, event_id: str) -> list[str]:
    """Return the handlers to which the event is delivered."""
    return [name for name, state in shop.states(event_id).items() if state == "done"]


def test_paused_deliveries_run_one_by_one(shop: Shop) -> None:
    """The oldest first, each when it is released, and no other."""
    pause(shop)
    first, second = shop.emit("order-1"), shop.emit("order-2")
    iterate(shop)
    assert shop.states(first) == dict.fromkeys(shop.states(first), PENDING)
    for handler in shop.states(first):
        assert release(shop)
        shop.deliver_to(handler, first)
    assert done(shop, second) == []
    assert release(shop)
    shop.deliver(lambda: len(done(shop, second)) == 1)


def test_a_release_goes_to_what_could_run(shop: Shop) -> None:
    """Not to an event behind an earlier one of its order, a dead one, or one before its retry."""
    shop.policy = replace(QUICK, first_wait_s=60)
    shop.start_loop(with_faults=True)
    shop.billing.fail(ValueError("no"))
    shop.inventory.fail(OSError("down"))
    first = shop.emit("order-1")
    shop.deliver(
        lambda: (
            shop.states(first)["billing"] == "dead"
            and shop.delivery(first, "inventory")["attempts"] == 1
            and shop.states(first)["notification"] == "done"
        )
    )
    pause(shop)
    second = shop.emit("order-1", OrderUpdated)
    released = []
    while release(shop):
        with shop.store.read() as view:
            released = (pace.current_pace(view) or {})["released"]
    assert released == [f"{second}:shipping", f"{second}:notification"]


def test_nothing_is_released_unless_it_is_paused(shop: Shop) -> None:
    """Without a pace, or with one that only slows down."""
    shop.emit()
    assert not release(shop)
    with transaction(shop.store) as tx:
        pace.slow_down(tx, 1)
    assert not release(shop)


def test_everything_runs_when_the_hold_ends(shop: Shop) -> None:
    """A person ends it."""
    pause(shop)
    event_id = shop.emit()
    iterate(shop)
    with transaction(shop.store) as tx:
        pace.end_pace(tx)
    shop.deliver_all()
    assert len(done(shop, event_id)) == 3
    assert shop.count(FAULTS) == 0


def end_lease(shop: Shop, in_s: float) -> None:
    """Have the lease end at another time."""
    with transaction(shop.store) as tx:
        stored = tx.get(FAULTS.name, EVERY_HANDLER) or {}
        tx.put(FAULTS.name, stored | {"until": clock.ago(-in_s)})


def test_a_renewal_begins_the_lease_anew(shop: Shop) -> None:
    """While it lasts."""
    pause(shop)
    end_lease(shop, in_s=1)
    with transaction(shop.store) as tx:
        assert pace.renew(tx)
    with shop.store.read() as view:
        assert (pace.current_pace(view) or {})["until"] > clock.ago(-pace.LEASE_S / 2)


@pytest.mark.parametrize("in_s", [-1, 3600])
def test_a_pause_without_a_watcher_ends(shop: Shop, in_s: float) -> None:
    """Everything runs and nothing of the pause is left, also after the clock was set back.

    A renewal is too late then, and so is a release.
    """
    pause(shop)
    event_id = shop.emit()
    iterate(shop)
    end_lease(shop, in_s)
    with transaction(shop.store) as tx:
        assert not pace.renew(tx)
        assert not pace.release_next(tx)
    shop.deliver_all()
    assert len(done(shop, event_id)) == 3
    assert shop.count(FAULTS) == 0


def test_deliveries_can_be_slowed_down(shop: Shop) -> None:
    """All handlers' deliveries begin late, each attempt once."""
    with freeze_time() as frozen:
        with transaction(shop.store) as tx:
            pace.slow_down(tx, 1)
        event_id = shop.emit()
        iterate(shop)
        assert done(shop, event_id) == []
        frozen.tick(1)
        shop.deliver_all()
    assert len(done(shop, event_id)) == 3


def test_a_slow_handler_is_paused_as_well(shop: Shop) -> None:
    """Its delivery runs after both its switch and its release."""
    switch = {"handler": "inventory", "mode": "slow", "times": None, "delay_s": 1, "order": None}
    with transaction(shop.store) as tx:
        tx.put(FAULTS.name, switch)
    pause(shop)
    event_id = shop.emit()
    assert release(shop)
    shop.deliver_to("inventory", event_id)


def test_the_pace_is_no_switch(shop: Shop) -> None:
    """Lists of fault switches do not have it."""
    pause(shop)
    with shop.store.read() as view:
        assert find_switches(view) == []


def test_nothing_is_paused_where_faults_are_off(shop: Shop) -> None:
    """DAYBOOK_FAULTS decides, as for every switch."""
    pause(shop)
    shop.start_loop()
    event_id = shop.emit()
    shop.deliver_all()
    assert len(done(shop, event_id)) == 3
