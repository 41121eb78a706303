"""The outbox: what it holds, for how long, and what the timeline of an order shows."""

import pytest

from app.events import outbox
from app.events.subscriptions import FAN_OUT
from app.events.types import Envelope, InventoryReserved, OrderPlaced, OrderUpdated
from app.kernel.errors import Invalid
from app.store.files.store import JsonFileStore
from tests.events.conftest import Shop
from tests.transactions import transaction


def test_an_event_is_a_cloudevent_with_a_pending_delivery_for_each_handler(shop: Shop) -> None:
    """The record is a CloudEvents 1.0 event with its deliveries."""
    event_id = shop.emit("order-1")
    with shop.store.read() as view:
        record = outbox.find_event(view, event_id)
    assert record is not None
    event = record["event"]
    assert (event["specversion"], event["datacontenttype"]) == ("1.0", "application/json")
    assert (event["id"], event["type"], event["subject"]) == (event_id, "order.placed", "order-1")
    assert record["deliveries"] == {
        name: {"state": "pending", "attempts": 0}
        for name in ("inventory", "billing", "notification")
    }


def test_nothing_is_emitted_by_a_transaction_that_fails(store: JsonFileStore) -> None:
    """The event and the change that caused it are one transaction."""
    with pytest.raises(RuntimeError), transaction(store) as tx:
        outbox.emit(tx, OrderPlaced("order-1", {}))
        raise RuntimeError("the order was refused")
    with store.read() as view:
        assert view.count(outbox.OUTBOX.name) == 0


def test_ids_sort_in_the_order_of_emission(shop: Shop) -> None:
    """Partitions and timelines depend on it."""
    ids = [shop.emit(f"order-{n}") for n in range(50)]
    assert ids == sorted(ids)


def test_an_event_leaves_the_outbox_when_all_deliveries_have_ended(shop: Shop) -> None:
    """It moves to the finished events, with the state of each delivery."""
    event_id = shop.emit()
    shop.deliver_all()
    with shop.store.read() as view:
        assert view.get(outbox.OUTBOX.name, event_id) is None
        kept = view.get(outbox.EVENTS.name, event_id)
    assert kept is not None
    assert {each["state"] for each in kept["deliveries"].values()} == {"done"}


def test_the_timeline_has_every_event_of_the_order_in_order(shop: Shop) -> None:
    """It has finished and open events, and none of other orders."""
    first = shop.emit("order-1")
    shop.deliver_all()
    shop.emit("order-2")
    second = shop.emit("order-1", OrderUpdated)
    with shop.store.read() as view:
        assert [record["id"] for record in outbox.timeline(view, "order-1")] == [first, second]


def test_the_timeline_shows_what_a_delivery_waits_for(shop: Shop) -> None:
    """Deliveries behind a dead one are shown as waiting, with the id of its event."""
    shop.billing.fail(ValueError("bad"))
    first = shop.emit("order-1")
    shop.deliver_all()
    shop.emit("order-1", OrderUpdated)
    with shop.store.read() as view:
        waiting = list(outbox.timeline(view, "order-1"))[1]["deliveries"]
    assert (waiting["billing"]["state"], waiting["billing"]["waiting_for"]) == ("waiting", first)
    assert waiting["inventory"]["state"] == "pending"


def test_the_timeline_of_an_unknown_order_is_empty(shop: Shop) -> None:
    with shop.store.read() as view:
        assert list(outbox.timeline(view, "order-9")) == []


def test_an_invalid_record_is_refused(shop: Shop) -> None:
    """`flask check --accept` must not accept a record that would stop the dispatcher."""
    event_id = shop.emit()
    with shop.store.read() as view:
        record = outbox.find_event(view, event_id)
    assert record is not None
    outbox.check_record(record)
    for invalid in (
        {"id": event_id},
        record | {"deliveries": {"billing": {"state": "maybe", "attempts": 0}}},
        record | {"deliveries": {"billing": {"state": "pending"}}},
        record | {"event": {}},
        record | {"id": "another"},
        record | {"subscribers": "webhook:1"},
        record | {"subscribers": ["billing"]},
        record | {"subscribers": [["webhook:1"]]},
        record | {"deliveries": {FAN_OUT: {"state": "pending", "attempts": 0}}},
    ):
        with pytest.raises(Invalid, match="not an event"):
            outbox.check_record(invalid)


def test_an_event_is_found_by_the_number_of_its_order() -> None:
    """Order events have the number within the order, inventory events beside it."""
    for event in (
        OrderPlaced("order-1", {"order": {"number": 1001}}),
        InventoryReserved("order-1", {"number": 1001, "version": 1}),
    ):
        envelope = Envelope("id", event.source, event.type, "", event.subject, event.data)
        assert envelope.order_keys == ("order-1", "1001")
    assert Envelope("id", "", "product.updated", "", "tea", {}).order_keys == ("tea",)
