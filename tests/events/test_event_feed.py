"""GET /event: a website polls for changes since its last cursor, and misses none."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import COLLECTIONS
from app.events import event_feed
from app.events.outbox import emit, find_event, mark_done, save_record
from app.events.types import Envelope, OrderPlaced, ProductUpdated
from app.server.runtime import Runtime
from app.store import Store
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from tests.over_http import body, place, read
from tests.transactions import transaction

Settled = Callable[[], None]
NDJSON = {"Accept": "application/x-ndjson"}


def follow(client: FlaskClient, query: str = "limit=3", cursor: str | None = None) -> list[Any]:
    """Every event after the cursor, by as many requests as needed."""
    found: list[Any] = []
    while True:
        answer = read(client, f"/event?{query}" + (f"&after={cursor}" if cursor else ""))
        found += answer["events"]
        cursor = answer["next"]
        if not answer["more"]:
            return found


def change_price(runtime: Runtime, *prices: str) -> None:
    """The price of tea changes."""
    with transaction(runtime.store) as tx:
        for price in prices:
            emit(tx, ProductUpdated("tea", {"product": {"sku": "tea", "price": price}}))


@pytest.mark.usefixtures("catalogue")
def test_a_website_keeps_its_prices_fresh(client: FlaskClient, runtime: Runtime) -> None:
    """It polls with the last cursor: each change comes once, in order."""
    began = read(client, "/event?type=product.updated")["next"]
    change_price(runtime, "4.50", "4.60")
    answer = read(client, f"/event?type=product.updated&after={began}")
    prices = [event["data"]["product"]["price"] for event in answer["events"]]
    assert prices == ["4.50", "4.60"]

    # without new events the same cursor comes back
    again = read(client, f"/event?type=product.updated&after={answer['next']}")
    assert again == {"events": [], "next": answer["next"], "more": False}

    # an order is placed meanwhile, which is not in a page of product events
    place(client, tea=1)
    change_price(runtime, "4.70")
    answer = read(client, f"/event?type=product.updated&after={answer['next']}")
    assert [event["data"]["product"]["price"] for event in answer["events"]] == ["4.70"]


@pytest.mark.usefixtures("catalogue")
def test_every_event_is_listed_once_in_order_for_any_page_size(
    client: FlaskClient, settled: Settled
) -> None:
    """Open and finished events are in one list."""
    for quantity in range(1, 5):
        place(client, tea=quantity)
    settled()
    place(client, tea=1)
    events = follow(client, "limit=100")
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))
    assert [event["type"] for event in events].count("order.placed") == 5
    for limit in (1, 2, 7):
        assert follow(client, f"limit={limit}")[: len(events)] == events
    some = [event["id"] for event in follow(client, "type=order.placed&limit=2")]
    assert some == [event["id"] for event in events if event["type"] == "order.placed"]


def test_a_page_scans_a_limited_number_of_events(client: FlaskClient, runtime: Runtime) -> None:
    """A rare event among many others takes several pages, each of bounded cost."""
    change_price(runtime, *["1.00"] * (event_feed.MAX_SCANNED + 20))
    place_one(runtime)
    first = read(client, "/event?type=order.placed")
    assert (first["events"], first["more"]) == ([], True)
    second = read(client, f"/event?type=order.placed&after={first['next']}")
    assert [event["type"] for event in second["events"]] == ["order.placed"]
    assert not second["more"]


def test_a_website_can_start_at_a_time(client: FlaskClient, runtime: Runtime) -> None:
    """`since` replaces reading the whole history."""
    change_price(runtime, "4.50")
    [event] = read(client, "/event")["events"]
    assert read(client, f"/event?since={event['time']}")["events"] == [event]
    assert read(client, "/event?since=2000-01-01")["events"] == [event]
    later = read(client, "/event?since=2999-01-01T00:00:00Z")
    assert (later["events"], later["more"]) == ([], False)


@pytest.mark.parametrize(
    "query", ["after=nonsense", "after=&limit=1", "type=no.such", "limit=0", "x=1"]
)
def test_an_invalid_query_is_refused(client: FlaskClient, query: str) -> None:
    """The response is 400."""
    assert client.get(f"/event?{query}").status_code == 400


def test_cursor_and_time_together_are_refused(client: FlaskClient) -> None:
    """Both say where the page begins."""
    cursor = read(client, "/event")["next"]
    answer = client.get(f"/event?since=2026-01-01&after={cursor}")
    assert answer.status_code == 400
    assert "not both" in body(answer)["detail"]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], JsonFileStore]]:
    """A function that opens the same data folder again, as another process does."""
    opened: list[JsonFileStore] = []

    def open_it() -> JsonFileStore:
        opened.append(JsonFileStore(tmp_path / "data", COLLECTIONS))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


def test_no_event_is_missed_while_others_emit_deliver_and_checkpoint(
    open_store: Callable[[], JsonFileStore],
) -> None:
    """Two processes emit, one delivers out of order, one writes checkpoints, one reads along."""
    writers, delivery_worker, checkpointing, reader = (
        [open_store(), open_store()],
        open_store(),
        open_store(),
        open_store(),
    )
    made: list[str] = []
    is_over = threading.Event()
    threads = [
        *(threading.Thread(target=_emit, args=(each, 60, made)) for each in writers),
        threading.Thread(target=_finish, args=(delivery_worker, is_over)),
        threading.Thread(target=_checkpoint, args=(checkpointing, is_over)),
    ]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    position = event_feed.BEGINNING
    while True:
        was_over = not any(thread.is_alive() for thread in threads[:2])
        found = event_feed.read_page(reader, position, limit=5)
        seen += [event["id"] for event in found.events]
        position = found.position
        if was_over and not found.has_more:
            break
    is_over.set()
    for thread in threads:
        thread.join()
    assert seen == sorted(made)
    assert len(seen) == 120


def _emit(store: Store, times: int, made: list[str]) -> None:
    for _ in range(times):
        with transaction(store) as tx:
            emit(tx, OrderPlaced("order", {"order": {"number": 1001}}))
            [event_id] = (tx.get("timelines", "order") or {})["events"][-1:]
        made.append(event_id)


def _finish(delivery_store: Store, is_over: threading.Event) -> None:
    """Finish events of the outbox in random order."""
    chance = random.Random(20261121)
    while not is_over.is_set():
        with transaction(delivery_store) as tx:
            page = tx.find("outbox", limit=20).documents
            if page:
                record = find_event(tx, chance.choice(page)["id"]) or {}
                for delivery in record["deliveries"].values():
                    mark_done(delivery)
                save_record(tx, record)
        is_over.wait(0.002)


def _checkpoint(store: JsonFileStore, is_over: threading.Event) -> None:
    checkpointer = Checkpointer(store)
    while not is_over.is_set():
        checkpointer.checkpoint()
        is_over.wait(0.01)


def place_one(runtime: Runtime) -> None:
    """Emit order.placed without delivering it."""
    with transaction(runtime.store) as tx:
        emit(tx, OrderPlaced("order-1", {"order": {"number": 1001}}))


@pytest.mark.usefixtures("catalogue")
def test_events_come_as_ndjson(client: FlaskClient, runtime: Runtime, settled: Settled) -> None:
    """Every event, one a line, as the pages have them, however many; `type` and `after` select."""
    place(client, tea=1)
    settled()
    change_price(runtime, *("4.50" for _ in range(event_feed.MAX_SCANNED)))
    response = client.get("/event", headers=NDJSON)
    assert response.mimetype == "application/x-ndjson"
    events = [json.loads(line) for line in response.text.splitlines()]
    assert len(events) > event_feed.MAX_SCANNED
    assert events == follow(client, "limit=200")
    placed = client.get("/event?type=order.placed", headers=NDJSON).text.splitlines()
    assert [json.loads(line)["type"] for line in placed] == ["order.placed"]
    page = read(client, "/event?limit=200")
    rest = client.get(f"/event?after={page['next']}", headers=NDJSON).text.splitlines()
    assert [json.loads(line) for line in rest] == events[200:]
    assert client.get("/event?limit=1", headers=NDJSON).status_code == 400


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def add_events(store: Store, ago: timedelta, count: int = 1, sku: str = "tea") -> None:
    """Add finished events about a product, numbered from 0, with the ids of a time before noon."""
    position = event_feed.position_at(NOON - ago)
    with transaction(store) as tx:
        for number in range(count):
            event_id, data = f"{position}-7000-8000-{number:012}", {"number": number}
            event = Envelope(event_id, "/products", "product.updated", "", sku, data)
            record = {"id": event_id, "event": event.as_cloudevent(), "deliveries": {}}
            save_record(tx, record)


def newest(store: Store, sku: str, limit: int) -> list[int]:
    """The numbers of the newest events about a product, at noon."""
    with store.read() as view:
        records = event_feed.newest_records(
            view, NOON, lambda record: record["event"]["subject"] == sku, limit
        )
    return [record["event"]["data"]["number"] for record in records]


def test_the_newest_events_are_found_in_a_busy_hour(store: JsonFileStore) -> None:
    """They are not those at which a page of the hour would end."""
    add_events(store, timedelta(minutes=30), count=event_feed.MAX_SCANNED + 1)
    add_events(store, timedelta(seconds=1), count=3)
    assert newest(store, "tea", limit=3) == [2, 1, 0]


def test_a_longer_period_is_read_while_too_few_are_found(store: JsonFileStore) -> None:
    """A rare event of the night is found, one of two days ago is not."""
    add_events(store, timedelta(days=2), count=1, sku="cocoa")
    add_events(store, timedelta(hours=9), count=2, sku="cocoa")
    add_events(store, timedelta(seconds=1))
    assert newest(store, "cocoa", limit=5) == [1, 0]
    assert newest(store, "tea", limit=5) == [0]


def test_too_few_are_found_where_a_longer_period_has_too_many(store: JsonFileStore) -> None:
    """The longer period is cut before its newest events, so the shorter one has better ones."""
    add_events(store, timedelta(minutes=30), count=event_feed.MAX_SCANNED + 1)
    add_events(store, timedelta(seconds=1), count=3)
    assert newest(store, "tea", limit=5) == [2, 1, 0]


def test_no_longer_period_is_read_than_one_that_is_cut(store: JsonFileStore) -> None:
    """It would be cut earlier, and what it has may be far from the newest."""
    add_events(store, timedelta(hours=9), sku="cocoa")
    add_events(store, timedelta(minutes=30), count=event_feed.MAX_SCANNED)
    assert newest(store, "cocoa", limit=5) == []
