"""failure.json: what is recorded, how it is replayed or discarded, and when an entry goes."""

from functools import partial

import pytest

from app.events import failures, outbox
from app.events.failures import Selection, discard, find_entries, replay, replay_all
from app.events.types import OrderUpdated
from app.kernel.errors import Conflict, NotFound
from app.store import Document
from tests.events.conftest import Shop
from tests.transactions import transaction


def fail_once(shop: Shop, order: str = "order-1", number: int = 1001) -> Document:
    """Make a delivery to billing dead; returns its entry."""
    shop.billing.fail_always(ValueError(f"no price for {order}"), order)
    event_id = shop.emit(order, number=number)
    shop.deliver_all()
    return next(each for each in shop.failures() if each["event"]["id"] == event_id)


def start_replay(shop: Shop, key: str) -> bool:
    with transaction(shop.store) as tx:
        return replay(tx, key, by="eva")


def test_an_entry_has_handler_error_and_event(shop: Shop) -> None:
    """An operator can decide from the entry alone."""
    entry = fail_once(shop)
    assert entry["id"] == f"{entry['event']['id']}:billing"
    assert (entry["handler"], entry["state"]) == ("billing", "failed")
    assert entry["error"] == "ValueError: no price for order-1"
    assert (entry["event"]["type"], entry["replays"]) == ("order.placed", 0)


def test_each_handler_that_fails_has_its_own_entry(shop: Shop) -> None:
    """There is one entry for each (event, handler)."""
    shop.inventory.fail(ValueError("x"))
    shop.notification.fail(ValueError("y"))
    shop.emit()
    shop.deliver_all()
    assert {entry["handler"] for entry in shop.failures()} == {"inventory", "notification"}


def test_a_replayed_entry_goes_when_its_handler_has_succeeded(shop: Shop) -> None:
    """The delivery is done, and only that handler ran again."""
    entry = fail_once(shop)
    shop.billing.recover()
    assert start_replay(shop, entry["id"])
    shop.deliver_all()
    assert shop.failures() == []
    assert shop.states(entry["event"]["id"])["billing"] == "done"
    assert (len(shop.billing.seen), len(shop.inventory.seen)) == (2, 1)


def test_an_entry_stays_while_it_is_being_replayed(shop: Shop) -> None:
    """A crash during the replay loses nothing: the entry goes only after success."""
    entry = fail_once(shop)
    start_replay(shop, entry["id"])
    [kept] = shop.failures()
    assert (kept["id"], kept["state"], kept["replays"]) == (entry["id"], "replaying", 1)


def test_a_replay_that_fails_again_updates_the_entry(shop: Shop) -> None:
    """There is still one entry, with the new error."""
    entry = fail_once(shop)
    shop.billing.recover()
    shop.billing.fail(ValueError("still no price"))
    start_replay(shop, entry["id"])
    shop.deliver_all()
    [kept] = shop.failures()
    assert (kept["state"], kept["replays"]) == ("failed", 1)
    assert kept["error"] == "ValueError: still no price"


def test_a_replay_starts_the_attempts_anew(shop: Shop) -> None:
    """The attempts before the replay do not count."""
    shop.billing.fail_always(OSError("down"), "order-1")
    shop.policy = shop.policy.__class__(attempts=2, first_wait_s=0.001)
    event_id = shop.emit()
    shop.deliver_all()
    shop.billing.recover()
    shop.billing.fail(OSError("once more"))
    start_replay(shop, f"{event_id}:billing")
    shop.deliver_all()
    assert shop.states(event_id)["billing"] == "done"
    delivery = shop.delivery(event_id, "billing")
    assert (delivery["attempts"], delivery["before_replay"]) == (4, 2)


def test_the_second_of_two_replays_does_nothing(shop: Shop) -> None:
    """When two operators replay an entry, the event is delivered once."""
    entry = fail_once(shop)
    shop.billing.recover()
    assert start_replay(shop, entry["id"])
    assert not start_replay(shop, entry["id"])
    shop.deliver_all()
    assert not start_replay(shop, entry["id"])
    assert len(shop.billing.seen) == 2


def test_the_log_of_a_delivery_has_replays(shop: Shop) -> None:
    """It lists each failed attempt and each replay, with time and person."""
    entry = fail_once(shop)
    shop.billing.recover()
    start_replay(shop, entry["id"])
    shop.deliver_all()
    log = shop.delivery(entry["event"]["id"], "billing")["log"]
    assert [line["action"] for line in log] == ["failed", "replayed"]
    assert log[0]["error"] == "ValueError: no price for order-1"
    assert log[1]["by"] == "eva"
    assert all(line["at"].endswith("Z") for line in log)


def test_a_discarded_entry_goes_and_its_reason_stays(shop: Shop) -> None:
    """The reason is in the log of the delivery."""
    entry = fail_once(shop)
    with transaction(shop.store) as tx:
        discard(tx, entry["id"], by="eva", reason="test order")
    assert shop.failures() == []
    delivery = shop.delivery(entry["event"]["id"], "billing")
    assert delivery["state"] == "discarded"
    assert delivery["log"][-1].items() >= {"action": "discarded", "reason": "test order"}.items()


def test_discarding_a_dead_head_unblocks_later_events(shop: Shop) -> None:
    """The order's next event for that handler is delivered."""
    entry = fail_once(shop)
    shop.billing.recover()
    later = shop.emit("order-1", OrderUpdated)
    shop.deliver_all()
    assert shop.states(later)["billing"] == "pending"
    with transaction(shop.store) as tx:
        discard(tx, entry["id"], by="eva", reason="test order")
    shop.deliver(lambda: shop.states(later)["billing"] == "done")


def test_an_entry_under_way_cannot_be_discarded(shop: Shop) -> None:
    """Its handler may be running."""
    entry = fail_once(shop)
    start_replay(shop, entry["id"])
    with pytest.raises(Conflict), transaction(shop.store) as tx:
        discard(tx, entry["id"], by="eva", reason="x")


def test_an_unknown_entry_cannot_be_discarded(shop: Shop) -> None:
    with pytest.raises(NotFound), transaction(shop.store) as tx:
        discard(tx, "nothing:billing", by="eva", reason="x")


@pytest.mark.parametrize(
    ("selection", "orders"),
    [
        (Selection(), ["order-1", "order-2"]),
        (Selection(order="order-2"), ["order-2"]),
        (Selection(order="1002"), ["order-2"]),
        (Selection(handler="billing", type="order.placed"), ["order-1", "order-2"]),
        (Selection(handler="inventory"), []),
        (Selection(type="order.deleted"), []),
        (Selection(error="NO PRICE FOR ORDER-1"), ["order-1"]),
        (Selection(since="2999-01-01T00:00:00.000Z"), []),
    ],
)
def test_failures_are_selected_by_filters(
    shop: Shop, selection: Selection, orders: list[str]
) -> None:
    """The filters are order (id or number), handler, type, error and time; oldest first."""
    fail_once(shop, "order-1", 1001)
    fail_once(shop, "order-2", 1002)
    with shop.store.read() as view:
        found = find_entries(view, selection)
    assert [entry["event"]["subject"] for entry in found] == orders


def test_a_failure_is_selected_by_its_id_or_the_id_of_its_event(shop: Shop) -> None:
    fail_once(shop, "order-1")
    entry = fail_once(shop, "order-2")
    with shop.store.read() as view:
        assert find_entries(view, Selection(id=entry["id"])) == [entry]
        assert find_entries(view, Selection(id=entry["event"]["id"])) == [entry]


def test_a_thousand_failures_are_kept_and_replayed_once_each(shop: Shop) -> None:
    """failure.json is never trimmed, and a second replay of the same list does nothing."""
    shop.billing.fail_always(ValueError("bad"))
    with transaction(shop.store) as tx:
        for n in range(1000):
            outbox.emit(tx, OrderUpdated(f"order-{n}", {"order": {"number": n}}))
    shop.deliver(lambda: shop.count(failures.FAILURES) == 1000)
    keys = [entry["id"] for entry in shop.failures()]
    assert len(keys) == 1000
    shop.billing.recover()
    assert replay_all(shop.store, keys, by="eva") == 1000
    assert replay_all(shop.store, keys, by="eva") == 0
    shop.deliver(lambda: shop.count(failures.FAILURES) == 0)
    assert len(shop.billing.seen) == 2000


def test_a_failure_whose_event_is_gone_is_left_to_the_check(shop: Shop) -> None:
    """When the event was taken out of outbox.json, its entry is neither replayed nor discarded."""
    shop.billing.fail(ValueError("bad"))
    event_id = shop.emit()
    shop.deliver_all()
    with transaction(shop.store) as tx:
        tx.delete(outbox.OUTBOX.name, event_id)
    for act in (replay, partial(discard, reason="old")):
        with pytest.raises(NotFound, match="run `flask check`"), transaction(shop.store) as tx:
            act(tx, f"{event_id}:billing", by="eva")
    assert [failure["state"] for failure in shop.failures()] == ["failed"]
