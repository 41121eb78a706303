"""How receivers respond, and what follows: retries, an end, a disabled endpoint, a recovery."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from app.config import Config
from app.events.dispatch.worker_pool import THREADS_PER_HANDLER
from app.events.failures import FAILURES
from app.events.outbox import OUTBOX, SUBSCRIBER_OUTBOX, emit
from app.events.types import CustomerForgotten, Envelope
from app.webhooks.deliveries import read_deliveries
from app.webhooks.handlers import RETRIES, Attempt, WebhookHandlers
from app.webhooks.sender import Response, Sender
from app.webhooks.service import handler_name
from tests.over_http import body
from tests.transactions import transaction
from tests.webhooks.shop import Subscriber, WebhookShop, event_types, open_shop

START = "2026-11-21T08:00:00Z"


@pytest.fixture
def config(config: Config) -> Config:
    return replace(config, manager_email="manager@example.com")


@pytest.fixture
def clock() -> Iterator[FrozenDateTimeFactory]:
    with freeze_time(START) as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen


@pytest.fixture
def shop(config: Config, clock: FrozenDateTimeFactory) -> Iterator[WebhookShop]:
    """The application with some products, at a time that the test moves."""
    with open_shop(config) as shop:
        yield shop


def pass_time(shop: WebhookShop, clock: FrozenDateTimeFactory, **time: float) -> None:
    """Let time pass, then deliver what is due."""
    clock.tick(timedelta(**time))
    shop.run()


def test_each_event_comes_signed_and_once(shop: WebhookShop, subscriber: Subscriber) -> None:
    """In the order in which they happened, each as GET /event has it."""
    shop.subscribe(subscriber)
    order = shop.place()
    shop.client.post("/order/1001/cancel")
    shop.run()
    assert event_types(subscriber.accepted) == ["order.placed", "order.cancelled"]
    feed = body(shop.client.get("/event?type=order.placed"))["events"]
    assert subscriber.accepted[0] == feed[0]
    assert subscriber.accepted[0]["subject"] == order["order_id"]


def test_only_events_of_its_types_come(shop: WebhookShop, subscriber: Subscriber) -> None:
    """A type as a whole, or by its beginning."""
    shop.subscribe(subscriber, "order.placed", "product.*")
    shop.place()
    shop.client.post("/order/1001/cancel")
    shop.client.patch("/product/tea", json={"price": "5.00"})
    shop.run()
    assert sorted(event_types(subscriber.accepted)) == ["order.placed", "product.updated"]


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_every_other_status_is_a_failure(
    shop: WebhookShop, clock: FrozenDateTimeFactory, subscriber: Subscriber, status: int
) -> None:
    """It is tried again by the schedule; the list has each status, and the last response."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    subscriber.respond(status, text="no")
    shop.place()
    shop.run()
    assert shop.endpoint(endpoint_id)["failing_since"] == "2026-11-21T08:00:00.000Z"
    [attempt] = shop.deliveries(endpoint_id)[0]["attempts"]
    assert attempt["response"] == "no"
    subscriber.respond(200, text="thanks")
    pass_time(shop, clock, seconds=6)
    [delivery] = shop.deliveries(endpoint_id)
    assert delivery["state"] == "done"
    attempts = [
        (each["action"], each["status"], each.get("response")) for each in delivery["attempts"]
    ]
    assert attempts == [("failed", status, None), ("succeeded", 200, "thanks")]
    assert shop.endpoint(endpoint_id)["failing_since"] is None


def test_eight_attempts_are_made_within_28_hours(
    shop: WebhookShop, clock: FrozenDateTimeFactory, subscriber: Subscriber
) -> None:
    """Then the delivery is in failure.json, and the shop has been done with it all the time."""
    shop.subscribe(subscriber, "order.placed")
    subscriber.respond(500)
    shop.place()
    shop.run()
    assert (shop.count(OUTBOX), shop.count(SUBSCRIBER_OUTBOX)) == (0, 1)
    for number, wait_s in enumerate(RETRIES.waits_s, 1):
        assert len(subscriber.requests) == number
        shop.start_loop()
        pass_time(shop, clock, seconds=wait_s - 1)
        assert len(subscriber.requests) == number
        pass_time(shop, clock, seconds=2 + 0.05 * wait_s)
    assert len(subscriber.requests) == 8
    assert shop.count(FAILURES) == 1
    assert len({request.headers["webhook-id"] for request in subscriber.requests}) == 1
    pass_time(shop, clock, days=3)
    assert len(subscriber.requests) == 8


def test_a_dead_delivery_is_replayed_and_the_next_of_its_order_follow(
    shop: WebhookShop, clock: FrozenDateTimeFactory, subscriber: Subscriber
) -> None:
    """Order is kept for each order and endpoint; other orders go on meanwhile."""
    endpoint_id = shop.subscribe(subscriber)
    shop.client.patch(f"/webhook/{endpoint_id}", json={"url": "http://127.0.0.1:9/"})
    first = shop.place()
    shop.client.post("/order/1001/cancel")
    shop.run()
    for wait_s in RETRIES.waits_s:
        pass_time(shop, clock, seconds=1.05 * wait_s + 1)
    assert shop.count(FAILURES) == 1
    shop.client.patch(f"/webhook/{endpoint_id}", json={"url": subscriber.url})
    shop.place()
    pass_time(shop, clock, seconds=2)
    assert [each["subject"] != first["order_id"] for each in subscriber.accepted] == [True]
    replayed = shop.client.post("/failure/replay", json={"handler": "webhook"})
    assert body(replayed) == {"replayed": 1}
    shop.run()
    about_first = [each for each in subscriber.accepted if each["subject"] == first["order_id"]]
    assert event_types(about_first) == ["order.placed", "order.cancelled"]


@pytest.mark.parametrize(
    ("status", "fields", "reason"),
    [
        (410, (), "the receiver answered 410 (Gone)"),
        (500, ("webhook-delivery: disable",), "the receiver asked for no more events"),
        (200, ("Webhook-Delivery: Disable",), "the receiver asked for no more events"),
    ],
)
def test_a_receiver_can_end_its_subscription(
    shop: WebhookShop,
    subscriber: Subscriber,
    status: int,
    fields: tuple[str, ...],
    reason: str,
) -> None:
    """The endpoint is disabled, the manager gets a mail, and nothing more is sent."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    subscriber.respond(status, *fields)
    shop.place()
    shop.run()
    shop.place()
    shop.run()
    endpoint = shop.endpoint(endpoint_id)
    assert (endpoint["enabled"], endpoint["disabled_reason"]) == (False, reason)
    assert len(subscriber.requests) == 1
    assert shop.count(FAILURES) == shop.count(SUBSCRIBER_OUTBOX) == 0
    [delivery] = shop.deliveries(endpoint_id)
    action = "succeeded" if status == 200 else "failed"
    assert [(each["action"], each["status"]) for each in delivery["attempts"]] == [(action, status)]
    [mail] = mails(shop, "A webhook was disabled")
    assert reason in mail


def test_the_event_of_a_disabled_endpoint_does_not_have_its_url(
    shop: WebhookShop, subscriber: Subscriber
) -> None:
    """A URL may have the receiver's password; clerks and other systems see events."""
    shop.subscribe(subscriber, "order.placed", description="the warehouse")
    subscriber.respond(410)
    shop.place()
    shop.run()
    [event] = body(shop.client.get("/event?type=webhook.disabled"))["events"]
    assert event["data"]["webhook"]["description"] == "the warehouse"
    assert subscriber.url not in str(event)


def mails(shop: WebhookShop, subject: str) -> list[str]:
    folder = shop.config.data / "mail" / "new"
    texts = [path.read_text("utf-8") for path in folder.iterdir()] if folder.exists() else []
    return [text for text in texts if f"Subject: {subject}" in text]


def test_a_receiver_can_end_the_attempts_at_one_event(
    shop: WebhookShop, subscriber: Subscriber
) -> None:
    """It is discarded, also for a recovery; later events of the order come as usual."""
    endpoint_id = shop.subscribe(subscriber)
    subscriber.respond(400, "webhook-delivery: abort-message")
    shop.place()
    shop.run()
    assert shop.endpoint(endpoint_id)["failing_since"] is None
    subscriber.respond(200)
    shop.client.post("/order/1001/cancel")
    shop.run()
    assert event_types(subscriber.accepted) == ["order.cancelled"]
    recovered = shop.client.post(f"/webhook/{endpoint_id}/recover", json={"since": "2020-01-01"})
    assert body(recovered) == {"recovered": 0, "next_since": None}
    first = shop.deliveries(endpoint_id)[0]
    [attempt] = first["attempts"]
    assert (first["state"], attempt["action"], attempt["status"]) == ("discarded", "discarded", 400)
    assert attempt["reason"] == "the receiver answered 400 and wants no further attempt"


def test_five_days_of_failures_disable_an_endpoint(
    shop: WebhookShop, clock: FrozenDateTimeFactory, subscriber: Subscriber
) -> None:
    """A success between begins them anew."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")

    def answer_an_order(status: int) -> bool:
        subscriber.respond(status)
        shop.place()
        shop.run()
        clock.tick(timedelta(days=2))
        return bool(shop.endpoint(endpoint_id)["enabled"])

    assert [answer_an_order(status) for status in (500, 500, 200, 500, 500, 500)] == [True] * 6
    assert answer_an_order(500) is False
    assert "nothing but failures since" in shop.endpoint(endpoint_id)["disabled_reason"]


def test_another_url_begins_the_failures_anew(shop: WebhookShop, subscriber: Subscriber) -> None:
    """Those of the receiver before do not count against the new one."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    subscriber.respond(500)
    shop.place()
    shop.run()
    assert shop.endpoint(endpoint_id)["failing_since"]
    changed = shop.client.patch(f"/webhook/{endpoint_id}", json={"url": f"{subscriber.url}new"})
    assert (changed.status_code, body(changed)["failing_since"]) == (200, None)


@pytest.mark.parametrize("status", [410, 500])
def test_a_late_result_of_another_url_says_nothing_of_the_endpoint(
    shop: WebhookShop, clock: FrozenDateTimeFactory, subscriber: Subscriber, status: int
) -> None:
    """The old URL does not respond as it should, which is why there is a new one."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    new = {"url": f"{subscriber.url}&new"}
    subscriber.meanwhile = lambda: shop.patch(endpoint_id, new)
    subscriber.respond(status)
    shop.place()
    shop.run()
    endpoint = shop.endpoint(endpoint_id)
    assert (endpoint["enabled"], endpoint["failing_since"]) == (True, None)
    subscriber.respond(200)
    pass_time(shop, clock, seconds=6)
    assert ["&new" in each.line for each in subscriber.requests] == [False, True]


def test_a_url_that_the_settings_no_longer_allow_is_retried(
    shop: WebhookShop, subscriber: Subscriber
) -> None:
    """Whoever changed the setting, or the address of a name, can change it back."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    shop.config = replace(shop.config, webhook_private=False)
    shop.place()
    shop.run()
    [delivery] = shop.deliveries(endpoint_id)
    assert (delivery["state"], shop.count(FAILURES)) == ("pending", 0)
    assert "DAYBOOK_WEBHOOK_PRIVATE" in delivery["attempts"][0]["error"]


def test_a_clock_that_was_ahead_disables_nothing_early(
    shop: WebhookShop, clock: FrozenDateTimeFactory, subscriber: Subscriber
) -> None:
    """The failures begin anew at the present time."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    subscriber.respond(500)
    clock.move_to("2036-11-21T08:00:00Z")
    shop.place()
    shop.run()
    clock.move_to(START)
    shop.place()
    shop.run()
    assert shop.endpoint(endpoint_id)["failing_since"] == "2026-11-21T08:00:00.000Z"


def test_what_was_missed_while_disabled_is_recovered(
    shop: WebhookShop, subscriber: Subscriber
) -> None:
    """Everything since a time, once; what was accepted is not sent again."""
    endpoint_id = shop.subscribe(subscriber)
    path = f"/webhook/{endpoint_id}"
    shop.place()
    shop.run()
    shop.client.patch(path, json={"enabled": False})
    shop.place()
    shop.client.post("/order/1002/cancel")
    shop.run()
    wanted = {"since": "2020-01-01"}
    assert shop.client.post(f"{path}/recover", json=wanted).status_code == 409
    shop.client.patch(path, json={"enabled": True})
    assert body(shop.client.post(f"{path}/recover", json=wanted)) == {
        "recovered": 2,
        "next_since": None,
    }
    shop.run()
    types = ["order.placed", "order.placed", "order.cancelled"]
    assert event_types(subscriber.accepted) == types
    assert body(shop.client.post(f"{path}/recover", json=wanted)) == {
        "recovered": 0,
        "next_since": None,
    }


def test_a_deleted_endpoint_leaves_nothing_open(
    shop: WebhookShop, clock: FrozenDateTimeFactory, subscriber: Subscriber
) -> None:
    """Its failures are discarded, and what waits is dropped when it is due."""
    endpoint_id = shop.subscribe(subscriber, "order.placed", "order.cancelled")
    subscriber.respond(500)
    shop.place()
    shop.client.post("/order/1001/cancel")
    shop.run()
    for wait_s in RETRIES.waits_s:
        pass_time(shop, clock, seconds=1.05 * wait_s + 1)
    shop.place()
    shop.run()
    assert shop.client.delete(f"/webhook/{endpoint_id}").status_code == 200
    assert shop.count(FAILURES) == 0
    pass_time(shop, clock, seconds=6)
    assert shop.count(SUBSCRIBER_OUTBOX) == 0


def test_what_waits_is_not_sent_to_an_endpoint_that_is_deleted_meanwhile(
    shop: WebhookShop, subscriber: Subscriber
) -> None:
    """Only what is under way ends as it began."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    for _ in range(3 * THREADS_PER_HANDLER):
        shop.place()
    subscriber.meanwhile = lambda: shop.delete(endpoint_id)
    shop.run()
    assert len(subscriber.requests) <= THREADS_PER_HANDLER
    assert shop.count(SUBSCRIBER_OUTBOX) == 0


def test_a_last_attempt_to_an_endpoint_that_is_deleted_meanwhile_is_no_failure(
    shop: WebhookShop, clock: FrozenDateTimeFactory, subscriber: Subscriber
) -> None:
    """Nobody could tell any more what it was about."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    subscriber.respond(500)
    shop.place()
    shop.run()
    for wait_s in RETRIES.waits_s[:-1]:
        pass_time(shop, clock, seconds=1.05 * wait_s + 1)
    subscriber.meanwhile = lambda: shop.delete(endpoint_id)
    pass_time(shop, clock, seconds=1.05 * RETRIES.waits_s[-1] + 1)
    assert len(subscriber.requests) == 8
    assert shop.count(FAILURES) == shop.count(SUBSCRIBER_OUTBOX) == 0


def test_no_secret_and_no_answer_is_where_it_does_not_belong(
    shop: WebhookShop, subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the log, nor in failure.json, nor in an error."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    subscriber.respond(500, text="your customer is ada@example.com")
    shop.place()
    shop.run()
    assert subscriber.secret not in caplog.text
    [delivery] = shop.deliveries(endpoint_id)
    assert delivery["attempts"][0]["error"] == "NotAccepted: the receiver answered 500"


def test_an_answer_about_an_erased_customer_is_not_kept(
    shop: WebhookShop, subscriber: Subscriber
) -> None:
    """A receiver may repeat the event that it got; the status is enough."""
    endpoint_id = shop.subscribe(subscriber, "customer.*")
    subscriber.respond(200, text="Ada was forgotten")
    with transaction(shop.store) as tx:
        emit(tx, CustomerForgotten("one", {"order_id": "one", "number": 1001}))
    shop.run()
    [delivery] = shop.deliveries(endpoint_id)
    assert delivery["attempts"][0]["status"] == 200
    assert "response" not in delivery["attempts"][0]


def test_an_answer_to_an_event_that_was_erased_meanwhile_is_not_kept(
    shop: WebhookShop, subscriber: Subscriber
) -> None:
    """The post had begun before the customer was erased."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    order_id = shop.place()["order_id"]
    sent = Envelope.from_cloudevent(
        body(shop.client.get(f"/order/{order_id}/events"))["events"][0]["event"]
    )
    record = (
        WebhookHandlers(Sender(allow_http=True, allow_private=True))
        .handler(handler_name(endpoint_id))
        .record
    )
    attempt = Attempt(subscriber.url, Response(200, "thank you, Ada", {}), None)
    with transaction(shop.store) as tx:
        assert record(tx, sent, attempt, None)[0] == {"status": 200, "response": "thank you, Ada"}
        erased = replace(sent, data={"order": {"customer_name": "Erased customer"}})
        assert record(tx, erased, attempt, None)[0] == {"status": 200}


def test_page_of_deliveries_ends_before_the_horizon(
    shop: WebhookShop, subscriber: Subscriber
) -> None:
    """A transaction that still runs may add an event behind it, which the next page then has."""
    endpoint_id = shop.subscribe(subscriber)
    shop.place()
    shop.place()
    shop.run()
    first, second = [each["event_id"] for each in shop.deliveries(endpoint_id)][:2]
    with shop.store.read() as view:
        page = read_deliveries(view, endpoint_id, "", 9, horizon=second)
    assert [each["event_id"] for each in page.deliveries] == [first]
    assert first <= page.position < second


def test_deliveries_are_listed_in_pages(shop: WebhookShop, subscriber: Subscriber) -> None:
    """Oldest event first, from a time on; a cursor leads on."""
    endpoint_id = shop.subscribe(subscriber, "order.placed")
    for _ in range(3):
        shop.place()
    shop.run()
    found, address = [], f"/webhook/{endpoint_id}/deliveries?limit=2&since=2020-01-01"
    while True:
        page = body(shop.client.get(address))
        found += page["deliveries"]
        if not page["more"]:
            break
        address = f"/webhook/{endpoint_id}/deliveries?limit=2&after={page['next']}"
    ids = [each["event_id"] for each in found]
    assert ids == sorted(each["id"] for each in subscriber.accepted)
    assert shop.client.get(f"/webhook/{endpoint_id}/deliveries?after=x").status_code == 400
