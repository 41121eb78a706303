"""Where the flow shows each delivery: place by place, then where the store says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.events.event_feed import position_at
from app.events.outbox import EVENTS, OUTBOX, find_event
from app.kernel import clock
from app.server.runtime import Runtime
from app.web.flow.standing import (
    DONE_S,
    MAX_FINISHED,
    MAX_OPEN,
    STOP_S,
    Snapshot,
    Standing,
    read_records,
    snapshot_of,
)
from tests.over_http import place, read
from tests.transactions import transaction

Settled = Callable[[], None]
LONG_S = 4 * STOP_S
"""After this time every delivery is where the store says."""

pytestmark = pytest.mark.usefixtures("catalogue")


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


def snapshot(runtime: Runtime, since: str, after_s: float) -> Snapshot:
    """Return what the flow shows some seconds after a time."""
    with runtime.store.read() as view:
        now = clock.parse_time(since) + timedelta(seconds=after_s)
        return snapshot_of(read_records(view, now), now)


def now_shown(runtime: Runtime, after_s: float = 0.0) -> list[Standing]:
    """Return what the flow shows some seconds from now."""
    return snapshot(runtime, clock.format_time(datetime.now(UTC)), after_s).standings


def placed(client: FlaskClient, number: int = 1001) -> dict[str, object]:
    """Return the event of an order that was placed."""
    found: dict[str, object] = read(client, f"/order/{number}/events")["events"][0]["event"]
    return found


def of(standings: list[Standing], handler: str, event_type: str) -> list[tuple[str, str]]:
    """Return place and state of the deliveries to a handler of events of a type."""
    return [
        (each.place, each.state)
        for each in standings
        if each.handler == handler and each.event["type"] == event_type
    ]


def test_a_delivery_passes_every_place(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """It is done long before, but a person sees it everywhere in turn; then it leaves."""
    place(client, tea=1)
    settled()
    begun = str(placed(client)["time"])
    seen = [
        of(snapshot(runtime, begun, (stop + 0.5) * STOP_S).standings, "billing", "order.placed")
        for stop in range(5)
    ]
    assert seen == [
        [("api", "pending")],
        [("journal", "pending")],
        [("outbox", "pending")],
        [("handler", "pending")],
        [("done", "done")],
    ]
    assert now_shown(runtime, 60) == []


def test_an_event_of_a_handler_does_not_come_from_the_api(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """The reservation begins in the journal."""
    place(client, tea=1)
    settled()
    event = read(client, "/order/1001/events")["events"][1]["event"]
    first = snapshot(runtime, event["time"], STOP_S / 2).standings
    assert of(first, "shipping", event["type"]) == [("journal", "pending")]


def test_an_event_without_handlers_ends_in_the_journal(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """It is in the change feed for other systems, and nobody delivers it."""
    client.patch("/product/tea", json={"price": "5.00"})
    settled()
    [event] = read(client, "/event?type=product.updated")["events"][-1:]
    first, later = (
        [each.place for each in shown if each.event["id"] == event["id"]]
        for stop in (0.5, 1.5)
        for shown in [snapshot(runtime, event["time"], stop * STOP_S).standings]
    )
    assert (first, later) == (["journal"], [])


def test_a_time_in_the_future_is_shown_where_it_stands(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """The clock was set back: the delivery is not shown at the first place for hours."""
    place(client, tea=1)
    settled()
    shown = snapshot(runtime, str(placed(client)["time"]), -3600).standings
    assert of(shown, "billing", "order.placed") == [("done", "done")]


@pytest.fixture
def rejected(client: FlaskClient, catalogue: dict[str, str], settled: Settled) -> None:
    """An order whose billing failed; its later cancellation waits behind that."""
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, tea=1)
    settled()
    client.delete("/fault/billing")
    client.post("/order/1001/cancel")
    settled()


@pytest.mark.usefixtures("rejected")
def test_a_dead_delivery_is_in_failure_json_and_its_successor_waits(runtime: Runtime) -> None:
    """The error is shown with the dead one."""
    shown = now_shown(runtime, LONG_S)
    assert of(shown, "billing", "order.placed") == [("failure", "dead")]
    assert of(shown, "billing", "order.cancelled") == [("queue", "waiting")]
    [error] = [each.error for each in shown if each.state == "dead"]
    assert error == "Invalid: a fault switch is on for billing (reject)"


@pytest.mark.usefixtures("rejected")
def test_a_replay_passes_outbox_and_handler_again(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """It comes back from failure.json, not from the API."""
    client.post("/failure/replay", json={"all": True})
    settled()
    with runtime.store.read() as view:
        record = find_event(view, str(placed(client)["id"]))
    assert record
    replayed = record["deliveries"]["billing"]["log"][-1]["at"]
    seen = [
        of(snapshot(runtime, replayed, (stop + 0.5) * STOP_S).standings, "billing", "order.placed")
        for stop in range(3)
    ]
    assert seen == [[("outbox", "pending")], [("handler", "pending")], [("done", "done")]]


@pytest.mark.usefixtures("rejected")
def test_a_discarded_delivery_leaves(client: FlaskClient, runtime: Runtime) -> None:
    """As one that is done, but it says that it was given up."""
    [failure] = read(client, "/failure")["failures"]
    client.post(f"/failure/{failure['id']}/discard", json={"reason": "billed by hand"})
    begun = failure["event"]["time"]
    shown = snapshot(runtime, begun, LONG_S + 0.1).standings
    late = snapshot(runtime, clock.now(), LONG_S + DONE_S).standings
    assert of(shown, "billing", "order.placed") == [("done", "discarded")]
    assert of(late, "billing", "order.placed") == []


class TestRetries:
    """A handler that fails in a way that can pass."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        """With a minute between attempts."""
        return replace(config, retry_wait=60)

    def test_a_retry_counts_down(self, client: FlaskClient, runtime: Runtime) -> None:
        """It stands at its handler, with the error and the seconds to the next attempt."""
        client.put("/fault/billing", json={"mode": "fail"})
        place(client, tea=1)
        feed = runtime.store.change_feed(OUTBOX.name)
        deadline = datetime.now(UTC) + timedelta(seconds=60)
        shown: list[Standing] = []
        while not shown and datetime.now(UTC) < deadline:
            feed.take(timeout_s=0.25)
            shown = [each for each in now_shown(runtime, LONG_S) if each.state == "retry"]
        [retry] = shown
        assert (retry.place, retry.attempts) == ("handler", 1)
        assert retry.error.startswith("FaultInjected")
        assert 40 < (retry.next_in_s or 0) <= 120
        [later] = [each for each in now_shown(runtime, 600) if each.state == "retry"]
        assert later.next_in_s == 0


def test_an_open_breaker_holds_deliveries(client: FlaskClient, runtime: Runtime) -> None:
    """They stand in front of their handler."""
    client.put("/fault/billing", json={"mode": "down"})
    for _ in range(6):
        place(client, tea=1)
    feed = runtime.store.change_feed(OUTBOX.name)
    deadline = datetime.now(UTC) + timedelta(seconds=60)
    held: set[str] = set()
    while not held and datetime.now(UTC) < deadline:
        feed.take(timeout_s=0.25)
        held = {each.place for each in now_shown(runtime, LONG_S) if each.state == "held"}
    assert held == {"queue"}
    client.delete("/fault/billing")


@pytest.mark.usefixtures("rejected")
def test_a_read_is_bounded(runtime: Runtime) -> None:
    """Of a full outbox the newest events are shown, and the oldest failures none the less."""
    with transaction(runtime.store) as tx:
        record = tx.find(OUTBOX.name).documents[0]
        for number in range(MAX_OPEN + 5):
            event_id = f"f{number:07}-0000-7000-8000-000000000000"
            event = record["event"] | {"id": event_id}
            tx.put(OUTBOX.name, record | {"id": event_id, "event": event})
        now = datetime.now(UTC) + timedelta(seconds=LONG_S)
        shown = snapshot_of(read_records(tx, now), now)
    assert shown.is_cut
    events = {each.event["id"] for each in shown.standings if each.state != "done"}
    assert len(events) == MAX_OPEN + 1


@pytest.mark.usefixtures("rejected")
def test_held_deliveries_wait_in_front_of_their_handlers(runtime: Runtime) -> None:
    """Those that have not begun; one behind a failure waits for that."""
    with transaction(runtime.store) as tx:
        record = tx.find(OUTBOX.name).documents[0]
        event_id = "f0000000-0000-7000-8000-000000000000"
        event = record["event"] | {"id": event_id, "subject": "another"}
        deliveries = {"billing": {"state": "pending", "attempts": 0}}
        tx.put(OUTBOX.name, {"id": event_id, "event": event, "deliveries": deliveries})
        # in the transaction: after it, the dispatcher would deliver it
        now = datetime.now(UTC) + timedelta(seconds=LONG_S)
        shown = snapshot_of(read_records(tx, now), now, is_paused=True).standings
    states = [(each.place, each.state) for each in shown if each.handler == "billing"]
    assert sorted(states) == [("failure", "dead"), ("queue", "paused"), ("queue", "waiting")]


def test_of_a_busy_shop_some_of_each_moment_are_shown(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """At every place there are marks, although one read takes a part of the events only."""
    place(client, tea=1)
    settled()
    now = datetime.now(UTC)
    with transaction(runtime.store) as tx:
        record = find_event(tx, str(placed(client)["id"])) or {}
        for number in range(4 * MAX_FINISHED):
            moment = now - timedelta(milliseconds=7 * number)
            event_id = f"{position_at(moment)}-7000-8000-{number:012}"
            event = record["event"] | {"id": event_id, "time": clock.format_time(moment)}
            tx.put(EVENTS.name, record | {"id": event_id, "event": event})
    with runtime.store.read() as view:
        shown = snapshot_of(read_records(view, now), now)
    assert shown.is_cut
    assert {each.place for each in shown.standings} == {
        "api", "journal", "outbox", "handler", "done"
    }  # fmt: skip
    assert len({each.event["id"] for each in shown.standings}) <= MAX_FINISHED
