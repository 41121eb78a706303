"""The subscriptions as a whole."""

from app.events.subscriptions import groups_of_subscribers, subscribe
from tests.events.conftest import Shop
from tests.transactions import transaction


def test_groups_are_those_that_have_subscribers(shop: Shop) -> None:
    """Each once, by name; a group ends with its last subscriber."""
    with transaction(shop.store) as tx:
        assert groups_of_subscribers(tx) == []
        subscribe(tx, "webhook:1", ["*"])
        subscribe(tx, "webhook:2", ["order.*"])
        subscribe(tx, "audit:1", ["order.placed"])
        assert groups_of_subscribers(tx) == ["audit", "webhook"]
        subscribe(tx, "audit:1", [])
        assert groups_of_subscribers(tx) == ["webhook"]
