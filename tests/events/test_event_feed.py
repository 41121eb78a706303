"""GET /event: a website fetches what changed since it last asked, and loses nothing."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import COLLECTIONS
from app.events import event_feed
from app.events.outbox import emit, find_event, mark_done, store
from app.events.types import OrderPlaced, ProductUpdated
from app.server.runtime import Runtime
from app.store import Store
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from tests.over_http import body, place, read

Settled = Callable[[], None]


def follow(client: FlaskClient, query: str = "limit=3", cursor: str | None = None) -> list[Any]:
    """Every event from the cursor on, by as many requests as it takes."""
    found: list[Any] = []
    while True:
        answer = read(client, f"/event?{query}" + (f"&after={cursor}" if cursor else ""))
        found += answer["events"]
        cursor = answer["next"]
        if not answer["more"]:
            return found


def change_price(runtime: Runtime, *prices: str) -> None:
    """The price of tea changes."""
    with runtime.store.transaction() as tx:
        for price in prices:
            emit(tx, ProductUpdated("tea", {"product": {"sku": "tea", "price": price}}))


@pytest.mark.usefixtures("catalogue")
def test_a_website_keeps_its_prices_fresh(client: FlaskClient, runtime: Runtime) -> None:
    """It asks, goes away, asks again: each change comes once, in order."""
    began = read(client, "/event?type=product.updated")["next"]
    change_price(runtime, "4.50", "4.60")
    answer = read(client, f"/event?type=product.updated&after={began}")
    prices = [event["data"]["product"]["price"] for event in answer["events"]]
    assert prices == ["4.50", "4.60"]

    # nothing has happened since: the same cursor comes back
    again = read(client, f"/event?type=product.updated&after={answer['next']}")
    assert again == {"events": [], "next": answer["next"], "more": False}

    # orders are placed meanwhile, which a website that asks for products is not told
    place(client, tea=1)
    change_price(runtime, "4.70")
    answer = read(client, f"/event?type=product.updated&after={answer['next']}")
    assert [event["data"]["product"]["price"] for event in answer["events"]] == ["4.70"]


@pytest.mark.usefixtures("catalogue")
def test_every_event_is_told_once_in_order_whatever_the_pages(
    client: FlaskClient, settled: Settled
) -> None:
    """Those that are on their way, and those that all handlers are through with."""
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


def test_an_answer_looks_at_so_many_events_and_no_more(
    client: FlaskClient, runtime: Runtime
) -> None:
    """Among many others a rare event takes several answers, none of them longer than others."""
    change_price(runtime, *["1.00"] * (event_feed.LOOKED_AT + 20))
    place_one(runtime)
    first = read(client, "/event?type=order.placed")
    assert (first["events"], first["more"]) == ([], True)
    second = read(client, f"/event?type=order.placed&after={first['next']}")
    assert [event["type"] for event in second["events"]] == ["order.placed"]
    assert not second["more"]


def test_a_website_may_begin_at_a_moment(client: FlaskClient, runtime: Runtime) -> None:
    """Instead of reading the whole history."""
    change_price(runtime, "4.50")
    [event] = read(client, "/event")["events"]
    assert read(client, f"/event?since={event['time']}")["events"] == [event]
    assert read(client, "/event?since=2000-01-01")["events"] == [event]
    later = read(client, "/event?since=2999-01-01T00:00:00Z")
    assert (later["events"], later["more"]) == ([], False)


@pytest.mark.parametrize(
    "query", ["after=nonsense", "after=&limit=1", "type=no.such", "limit=0", "x=1"]
)
def test_a_query_that_cannot_be_meant_is_refused(client: FlaskClient, query: str) -> None:
    """400, with what to change."""
    assert client.get(f"/event?{query}").status_code == 400


def test_where_to_begin_is_said_once(client: FlaskClient) -> None:
    """A cursor and a moment contradict each other."""
    cursor = read(client, "/event")["next"]
    answer = client.get(f"/event?since=2026-01-01&after={cursor}")
    assert answer.status_code == 400
    assert "not both" in body(answer)["detail"]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], JsonFileStore]]:
    """A function that opens the same folder once more, as another process does."""
    opened: list[JsonFileStore] = []

    def open_it() -> JsonFileStore:
        opened.append(JsonFileStore(tmp_path / "data", COLLECTIONS))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


def test_nothing_is_lost_while_events_are_made_finished_and_filed(
    open_store: Callable[[], JsonFileStore],
) -> None:
    """Two processes emit, one delivers out of order, one writes checkpoints, one reads along."""
    writers, deliverer, filer, reader = (
        [open_store(), open_store()],
        open_store(),
        open_store(),
        open_store(),
    )
    made: list[str] = []
    is_over = threading.Event()
    threads = [
        *(threading.Thread(target=_emit, args=(each, 60, made)) for each in writers),
        threading.Thread(target=_finish, args=(deliverer, is_over)),
        threading.Thread(target=_file, args=(filer, is_over)),
    ]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    position = event_feed.BEGINNING
    while True:
        was_over = not any(thread.is_alive() for thread in threads[:2])
        with reader.read() as view:
            found = event_feed.news(view, position, limit=5)
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
        with store.transaction() as tx:
            emit(tx, OrderPlaced("order", {"order": {"number": 1001}}))
            [event_id] = (tx.get("timelines", "order") or {})["events"][-1:]
        made.append(event_id)


def _finish(books: Store, is_over: threading.Event) -> None:
    """Be through with some event or other."""
    chance = random.Random(20261121)
    while not is_over.is_set():
        with books.transaction() as tx:
            page = tx.find("outbox", limit=20).documents
            if page:
                record = find_event(tx, chance.choice(page)["id"]) or {}
                for delivery in record["deliveries"].values():
                    mark_done(delivery)
                store(tx, record)
        is_over.wait(0.002)


def _file(store: JsonFileStore, is_over: threading.Event) -> None:
    checkpointer = Checkpointer(store)
    while not is_over.is_set():
        checkpointer.checkpoint()
        is_over.wait(0.01)


def place_one(runtime: Runtime) -> None:
    """An order is placed, and nobody hears of it."""
    with runtime.store.transaction() as tx:
        emit(tx, OrderPlaced("order-1", {"order": {"number": 1001}}))
