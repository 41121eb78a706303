"""The story of a subscriber: another system that reacts to orders, is away, and catches up.

It is told from outside: a manager adds an endpoint over HTTP, and a receiver on a real socket
verifies what comes with the official library of Standard Webhooks.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from app.config import Config
from tests.over_http import body
from tests.webhooks.shop import Subscriber, WebhookShop, event_types, open_shop, subscribers


@pytest.fixture
def clock() -> Iterator[FrozenDateTimeFactory]:
    with freeze_time("2026-11-21T08:00:00Z") as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen


@pytest.fixture
def shop(config: Config, clock: FrozenDateTimeFactory) -> Iterator[WebhookShop]:
    """A shop that may send to this machine; the test runs its deliveries."""
    with open_shop(config) as shop:
        yield shop


@pytest.fixture
def warehouse() -> Iterator[Subscriber]:
    """The receiver of another system."""
    with subscribers(1) as [warehouse]:
        yield warehouse


def test_a_warehouse_reacts_to_orders_and_catches_up_after_an_hour(
    shop: WebhookShop, clock: FrozenDateTimeFactory, warehouse: Subscriber
) -> None:
    """Subscribe, order, receive, verify; then down for an hour, a new secret meanwhile, recover."""
    endpoint_id = shop.subscribe(warehouse, "order.*")
    path = f"/webhook/{endpoint_id}"

    # an order is placed, and the warehouse hears of it
    shop.place(tea=2)
    shop.run()
    [placed] = warehouse.accepted
    assert (placed["type"], placed["data"]["order"]["number"]) == ("order.placed", 1001)

    # it goes down; the shop goes on without it
    warehouse.respond(503)
    shop.place(tea=1)
    shop.client.post("/order/1002/cancel")
    shop.run()
    assert body(shop.client.get("/order/1002"))["status"] == "cancelled"
    assert shop.endpoint(endpoint_id)["failing_since"] == "2026-11-21T08:00:00.000Z"

    # after an hour it is back, with the secret that was rotated meanwhile
    old_secret = warehouse.secret
    clock.tick(timedelta(minutes=30))
    shop.run()
    warehouse.secret = body(shop.client.post(f"{path}/secret"))["secret"]
    assert warehouse.secret != old_secret
    clock.tick(timedelta(minutes=30))
    shop.run()
    warehouse.respond(200)
    assert event_types(warehouse.accepted) == ["order.placed"]

    # the manager does not wait for the next attempt
    recovered = shop.client.post(f"{path}/recover", json={"since": "2020-01-01"})
    assert body(recovered) == {"recovered": 1, "next_since": None}
    shop.run()
    assert event_types(warehouse.accepted) == ["order.placed", "order.placed", "order.cancelled"]
    numbers = [each["data"]["order"]["number"] for each in warehouse.accepted]
    assert numbers == [1001, 1002, 1002]

    # every attempt is on record
    first, second, third = shop.deliveries(endpoint_id)
    assert [each["status"] for each in first["attempts"]] == [200]
    assert {each["status"] for each in second["attempts"] if "status" in each} == {503, 200}
    assert [each["status"] for each in third["attempts"]] == [200]
    assert shop.endpoint(endpoint_id)["failing_since"] is None


def test_an_endpoint_is_disabled_for_maintenance_and_enabled_again(
    shop: WebhookShop, warehouse: Subscriber
) -> None:
    """Nothing is sent meanwhile, and nothing is lost."""
    path = f"/webhook/{shop.subscribe(warehouse, 'order.placed')}"
    shop.client.patch(path, json={"enabled": False})
    shop.place()
    shop.run()
    assert warehouse.requests == []
    shop.client.patch(path, json={"enabled": True})
    shop.place()
    shop.client.post(f"{path}/recover", json={"since": "2020-01-01"})
    shop.run()
    numbers = sorted(each["data"]["order"]["number"] for each in warehouse.accepted)
    assert numbers == [1001, 1002]


def test_one_dead_receiver_holds_up_nobody_else(
    shop: WebhookShop, clock: FrozenDateTimeFactory, warehouse: Subscriber
) -> None:
    """The others get every event in order while one is dead; it gets its own in order later."""
    with subscribers(1) as [broken]:
        shop.subscribe(broken, "order.*")
        shop.subscribe(warehouse, "order.*")
        broken.respond(500)
        for number in (1001, 1002):
            shop.place()
            shop.client.patch(f"/order/{number}", json={"customer_name": "Zoë"})
            shop.client.post(f"/order/{number}/cancel")
        shop.run()
        story = ["order.placed", "order.updated", "order.cancelled"]
        for order_id in {each["subject"] for each in warehouse.accepted}:
            about = [each for each in warehouse.accepted if each["subject"] == order_id]
            assert event_types(about) == story
        assert len(warehouse.accepted) == 6
        assert broken.accepted == []
        broken.respond(200)
        clock.tick(timedelta(seconds=6))
        shop.run()
        for order_id in {each["subject"] for each in broken.accepted}:
            about = [each for each in broken.accepted if each["subject"] == order_id]
            assert event_types(about) == story
        assert len(broken.accepted) == 6
