"""The events page: pending deliveries, failures, replay, discard and fault injection."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from time import time

import pytest
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time

from app import create_app
from app.config import Config
from app.events.event_feed import MAX_SCANNED
from app.events.failures import FAILURES
from app.events.outbox import EVENTS, OUTBOX, emit
from app.events.types import ProductUpdated
from app.server.runtime import Runtime
from app.store import matching
from app.web.layout.positions import PAGE_SIZE
from tests.over_http import place, read
from tests.processes.servers import wait_for
from tests.transactions import transaction
from tests.web.page import Page, send

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault injection, to make a handler fail."""
    return replace(config, faults=True)


@pytest.fixture
def failed(client: FlaskClient, catalogue: dict[str, str], settled: Settled) -> None:
    """Two orders whose billing failed; the later cancellation of the first waits behind it."""
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, "Ada", tea=1)
    place(client, "Grace <b>", tea=2)
    settled()
    client.delete("/fault/billing")
    client.post("/order/1001/cancel")
    settled()


def events(client: FlaskClient, query: str = "") -> Page:
    """Return the page."""
    return Page(client.get(f"/events?{query}"))


def failures(client: FlaskClient) -> list[str]:
    """Return the ids in failure.json."""
    return [each["id"] for each in read(client, "/failure")["failures"]]


@pytest.mark.usefixtures("catalogue")
def test_a_shop_without_failures_says_so(client: FlaskClient, settled: Settled) -> None:
    """Neither failures nor pending deliveries are listed."""
    place(client, tea=1)
    settled()
    text = events(client).text
    assert "Nothing has failed." in text
    assert "Every event has reached all its handlers." in text
    assert "Other systems get these events too, by webhooks" in text


def test_the_newest_finished_events_come_first_after_a_busy_hour(
    client: FlaskClient, runtime: Runtime
) -> None:
    """Where an hour has more events than are read, the list has those of the last seconds."""

    def change(*skus: str) -> int:
        """Return the time of the last event in its id, in milliseconds."""
        with transaction(runtime.store) as tx:
            for sku in skus:
                emit(tx, ProductUpdated(sku, {"product": {"sku": sku, "name": sku}}))
            return int(max(tx.keys(EVENTS.name)).replace("-", "")[:12], 16)

    before = change(*(f"old-{n}" for n in range(MAX_SCANNED + 1)))
    wait_for("the next millisecond", lambda: time() * 1000 > before + 1)
    with freeze_time(datetime.fromtimestamp(change("new") / 1000 + 2, UTC)):
        finished = events(client).by_id["finished"]
    assert "new" in finished
    assert "old-" not in finished


@pytest.mark.usefixtures("catalogue")
def test_finished_events_are_listed(client: FlaskClient, settled: Settled) -> None:
    """Newest first, without events that have failed."""
    assert "Order placed" not in events(client).by_id["finished"]
    place(client, tea=1)
    settled()
    finished = events(client).by_id["finished"]
    assert finished.index("Stock reserved") < finished.index("Order placed")
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, tea=1)
    settled()
    assert events(client).by_id["finished"].count("Order placed") == 1


@pytest.mark.usefixtures("failed")
def test_failures_and_blocked_deliveries_are_listed(client: FlaskClient) -> None:
    """With handler and error; the later event of the same order waits."""
    page = events(client)
    assert page.text.count("a fault switch is on for billing (reject)") == 4
    assert "billing waits behind a failure" in " ".join(page.by_id["outbox"].split())
    assert "On their way 3 Failed for good 2" in page.text


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize(
    ("query", "number"),
    [("handler=billing", 2), ("handler=notification", 0), ("type=order.placed", 2),
     ("type=order.cancelled", 0), ("order=1002", 1), ("order=9", 0), ("error=FAULT+SWITCH", 2),
     ("error=timeout", 0)],
)  # fmt: skip
def test_failures_are_filtered(client: FlaskClient, query: str, number: int) -> None:
    """By handler, event type, order and part of the error."""
    assert events(client, query).by_id["failures"].count("Invalid: a fault") == number


@pytest.mark.usefixtures("failed")
def test_every_failure_is_on_a_page(client: FlaskClient, runtime: Runtime) -> None:
    """With its position, and both ways; also of those with a part of an error, without an index."""
    with transaction(runtime.store) as tx:
        failure = tx.find(FAILURES.name).documents[0]
        for number in range(110):
            error = f"Invalid: {'odd' if number % 2 else 'even'} {number}."
            tx.put(FAILURES.name, failure | {"id": f"0-{number:03}:billing", "error": error})
    for query, number in {"error=odd": 55, "handler=billing": 112}.items():
        shown = 0
        for current in range(1, -(-number // PAGE_SIZE) + 1):
            page = events(client, f"{query}&page={current}")
            shown += page.by_id["failures"].count("Invalid: ")
            last = min(current * PAGE_SIZE, number)
            assert f"{(current - 1) * PAGE_SIZE + 1}–{last} of {number}" in page.by_id["failures"]
            assert (f"?{query}&page={current + 1}" in page.links) == (last < number)
            assert (f"?{query}&page={current - 1}" in page.links) == (current > 1)
        assert shown == number


@pytest.mark.usefixtures("failed")
def test_errors_are_searched_in_parts(client: FlaskClient, runtime: Runtime) -> None:
    """The page leads on to the older failures, with the same search."""
    with transaction(runtime.store) as tx:
        failure = tx.find(FAILURES.name).documents[0]
        for number in range(matching.MAX_SCANNED):
            new = {"id": f"0-{number:04}:billing", "error": "new", "failed_at": "2999"}
            tx.put(FAILURES.name, failure | new)
    page = events(client, "error=fault+switch")
    assert "No failure among these is like that." in page.text
    [older] = [link for link in page.links if "cursor=" in link]
    assert events(client, older.removeprefix("?")).by_id["failures"].count("Invalid: a fault") == 2


@pytest.mark.usefixtures("failed")
def test_every_pending_event_is_on_a_page(client: FlaskClient, runtime: Runtime) -> None:
    """Newest first, with its position, and both ways."""
    with transaction(runtime.store) as tx:
        record = tx.find(OUTBOX.name).documents[0]
        for number in range(60):
            tx.put(OUTBOX.name, record | {"id": f"0-{number:03}"})
    first = events(client)
    total = 63
    assert f"1–{PAGE_SIZE} of {total}" in first.by_id["outbox"]
    [older] = [link for link in first.links if "pending=" in link]
    second = events(client, older.removeprefix("?").partition("#")[0])
    assert f"{PAGE_SIZE + 1}–{total} of {total}" in second.by_id["outbox"]
    assert "?pending=1#open" in second.links
    links = {*first.links, *second.links}
    assert links >= {f"/events/0-{number:03}" for number in range(60)}


@pytest.mark.usefixtures("failed")
def test_one_failure_is_replayed(client: FlaskClient, settled: Settled) -> None:
    """The selected failure is replayed, and the delivery that waited behind it continues."""
    chosen = next(each for each in read(client, "/failure")["failures"]
                  if each["event"]["data"]["order"]["number"] == 1001)  # fmt: skip
    after = send(client, events(client), "/events/replay", id=chosen["id"])
    assert "1 delivery is on the way again." in after.text
    settled()
    assert len(failures(client)) == 1
    states = [event["deliveries"] for event in read(client, "/order/1001/events")["events"]]
    assert {each.get("billing", {}).get("state", "done") for each in states} == {"done"}


@pytest.mark.usefixtures("failed")
def test_replay_all_keeps_to_the_filter(client: FlaskClient, settled: Settled) -> None:
    """`Replay all` replays the failures that the filter shows."""
    send(client, events(client, "order=1002"), "/events/replay", all="1")
    settled()
    [left] = read(client, "/failure")["failures"]
    assert left["event"]["data"]["order"]["number"] == 1001
    assert "2 deliveries" not in send(client, events(client), "/events/replay", all="1").text
    settled()
    assert failures(client) == []


@pytest.mark.usefixtures("failed")
def test_replaying_nothing_is_an_error(client: FlaskClient) -> None:
    """`Replay the chosen` without a selection changes nothing, says so, and keeps the filter."""
    after = send(client, events(client, "order=1002"), "/events/replay")
    assert after.status == 422
    assert "Choose at least one failure" in after.text
    assert "on the way again" not in after.text
    assert after.by_id["failures"].count("Invalid: a fault") == 1
    assert after.form("/events/replay").fields["order"]["value"] == "1002"
    assert len(failures(client)) == 2


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize("all_of_them", [False, True])
def test_replaying_what_is_gone_is_an_error(
    client: FlaskClient, settled: Settled, all_of_them: bool
) -> None:
    """409 when somebody else has replayed all of it meanwhile; no green "0 deliveries"."""
    page, chosen = events(client), failures(client)[0]
    send(client, page, "/events/replay", all="1")
    settled()
    after = send(
        client, page, "/events/replay", **({"all": "1"} if all_of_them else {"id": chosen})
    )
    assert after.status == 409
    assert "on the way again" not in after.text
    assert "replayed or discarded meanwhile" in after.text


@pytest.mark.usefixtures("failed")
def test_an_event_shows_its_payload_and_errors(client: FlaskClient, settled: Settled) -> None:
    """The event's page escapes the payload, lists errors, and replays."""
    event_id, handler = failures(client)[1].split(":")
    page = Page(client.get(f"/events/{event_id}"))
    assert '"customer_name": "Grace <b>"' in page.text
    assert "a fault switch is on for billing (reject)" in page.text
    send(client, page, f"/{handler}/replay")
    settled()
    assert len(failures(client)) == 1
    after = Page(client.get(f"/events/{event_id}"))
    assert "replayed by local" in " ".join(after.text.split())
    assert [action for action in after.forms if action.endswith("/replay")] == []


@pytest.mark.usefixtures("failed")
def test_a_failure_is_discarded_with_a_reason(client: FlaskClient) -> None:
    """A reason is required; it is recorded with the operator's name."""
    event_id, handler = failures(client)[1].split(":")
    page = Page(client.get(f"/events/{event_id}"))
    refused = send(client, page, f"/{handler}/discard")
    assert refused.status == 422
    assert refused.by_id[f"reason-{handler}-error"].strip() == "Reason is required."
    assert len(failures(client)) == 2
    after = send(client, refused, f"/{handler}/discard", reason="billed by hand")
    assert "discarded by local: billed by hand" in " ".join(after.text.split())
    assert len(failures(client)) == 1


def test_an_unknown_event_is_not_found(client: FlaskClient) -> None:
    """The page answers 404."""
    assert Page(client.get("/events/none")).status == 404


@pytest.mark.usefixtures("catalogue")
def test_a_fault_switch_is_set_and_cleared(client: FlaskClient, settled: Settled) -> None:
    """The form sets the switch of the API, for one order only when its number is given."""
    place(client, tea=1)
    settled()
    typed = {"handler": "billing", "mode": "fail", "times": "2", "order": "1001"}
    after = send(client, events(client), "/events/faults", **typed)
    assert "billing fails in a way that can pass: retried, then parked, 2 more times" in after.text
    [fault] = read(client, "/fault")["faults"]
    assert (fault["times"], fault["order"]) == (2, read(client, "/order/1001")["order_id"])
    send(client, after, "/billing/clear")
    assert read(client, "/fault")["faults"] == []


def test_an_invalid_fault_switch_is_refused(client: FlaskClient) -> None:
    """422, with the message beside its field and the values kept."""
    typed = {"handler": "orders", "mode": "slow", "times": "often", "order": "1001"}
    refused = send(client, events(client), "/events/faults", **typed)
    assert refused.status == 422
    assert refused.by_id["times-error"].strip() == "Times must be a whole number."
    assert refused.text.index("Please check this") < refused.text.index("On their way")
    fields = refused.form("/events/faults").fields
    assert {name: fields[name]["value"] for name in typed} == typed


def test_without_the_setting_there_is_no_fault_injection(config: Config) -> None:
    """Neither a form on the page nor a route."""
    app: Flask = create_app(replace(config, faults=False))
    client = app.test_client()
    assert not any("faults" in action for action in events(client).forms)
    page = events(client)
    csrf_token = page.fields["csrf_token"]["value"]
    assert client.post("/events/faults", data={"csrf_token": csrf_token}).status_code in (404, 405)
    app.extensions["daybook"].close()
