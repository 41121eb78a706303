"""The event stream (SSE), read from the application as a browser reads it."""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import islice

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.auth.keys import create_key
from app.billing.receipt_issuer import ReceiptIssuer
from app.config import Config
from app.kernel.money import Currency
from app.orders.service import OrderPolicy
from app.server.runtime import Runtime
from app.web.layout import live
from app.web.layout.context import PageContext
from tests.over_http import place
from tests.transactions import transaction
from tests.web.page import Page


@pytest.fixture
def config(config: Config) -> Config:
    """One stream for each four threads: two here."""
    return replace(config, threads=8)


@dataclass
class Message:
    """A message: the position, and the topics that changed (none: a heartbeat)."""

    id: int
    topics: list[str]


class Stream:
    """A stream that is open until `close`."""

    def __init__(self, answer: TestResponse) -> None:
        assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
        self._answer = answer
        self._pieces = answer.iter_encoded()
        self._is_open = True
        assert next(self._pieces).startswith(b"retry: ")

    def next(self) -> Message:
        """Wait for the next message."""
        text = next(self._pieces).decode()
        found = re.search(r"^data: (.*)$", text, re.M)
        number = re.search(r"^id: (\d+)$", text, re.M)
        assert number
        return Message(int(number[1]), found[1].split() if found else [])

    def close(self) -> None:
        """Close the stream, as a browser does when it leaves the page."""
        if self._is_open:
            self._is_open = False
            self._answer.close()


@pytest.fixture
def follow(client: FlaskClient, catalogue: dict[str, str]) -> Iterator[Callable[..., Stream]]:
    """A function that opens a stream: follow("orders", after=3)."""
    streams = []

    def follow(*topics: str, after: int | None = None, last: int | None = None) -> Stream:
        query = [("on", topic) for topic in topics] + [("after", str(after))] * (after is not None)
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        stream = Stream(client.get("/live", query_string=query, headers=headers, buffered=False))
        streams.append(stream)
        return stream

    yield follow
    for stream in streams:
        stream.close()


Follow = Callable[..., Stream]


def test_a_current_page_gets_the_next_change(
    client: FlaskClient, follow: Follow, settled: Callable[[], None]
) -> None:
    """Each message has the position; the first one is a heartbeat."""
    place(client, tea=1)
    settled()  # then the dispatcher has done its jobs as well, which move the position
    page = Page(client.get("/desk"))
    stream = follow("orders", after=int(page.body["data-position"]))
    first = stream.next()
    assert (first.id, first.topics) == (int(page.body["data-position"]), [])
    place(client, tea=1)
    change = stream.next()
    assert change.topics == ["orders"]
    assert change.id > first.id


def test_a_reconnecting_browser_gets_missed_changes(client: FlaskClient, follow: Follow) -> None:
    """All changes since Last-Event-ID, by any process, before it reconnected."""
    seen = follow("orders").next().id
    place(client, tea=1)
    assert follow("orders", "products", last=seen).next().topics == ["orders", "products"]


def test_last_event_id_precedes_the_address(
    client: FlaskClient, follow: Follow, settled: Callable[[], None]
) -> None:
    """The position in the address is that of the rendered page and never changes."""
    before = follow("products")
    old = before.next().id
    before.close()
    place(client, tea=1)
    settled()
    since = follow("products", after=old)
    seen = since.next().id
    since.close()
    assert follow("products", after=old, last=seen).next() == Message(seen, [])


def test_a_stream_resumes_in_another_process_after_a_restart(
    config: Config, client: FlaskClient, follow: Follow, settled: Callable[[], None], app: Flask
) -> None:
    """The position is the journal's, so it means the same in each process."""
    settled()
    seen = follow("orders").next().id
    app.extensions["daybook"].close()
    again = create_app(config)
    try:
        other = again.test_client()
        headers = {"Last-Event-ID": str(seen)}
        place(other, tea=1)
        stream = Stream(other.get("/live?on=orders", headers=headers, buffered=False))
        assert stream.next().topics == ["orders"]
        stream.close()
    finally:
        again.extensions["daybook"].close()


def test_an_order_topic_is_for_one_order(
    client: FlaskClient, follow: Follow, settled: Callable[[], None]
) -> None:
    """A change of another order sends no message."""
    mine = place(client, tea=1)
    settled()
    stream = follow(f"order/{mine['link']}", "products")
    stream.next()
    place(client, tea=1)
    settled()
    assert stream.next().topics == ["products"]
    client.post("/order/1001/cancel")
    assert f"order/{mine['link']}" in stream.next().topics


def test_streams_are_limited_and_slots_released(client: FlaskClient, follow: Follow) -> None:
    """Over the limit the response is 204, which stops reconnecting; other requests are served."""
    streams = [follow("orders"), follow("orders")]
    assert client.get("/live?on=orders").status_code == 204
    assert client.get("/order").status_code == 200
    streams[0].next()
    streams[0].close()
    follow("orders").next()


def test_strangers_leave_streams_to_staff(
    client: FlaskClient, runtime: Runtime, follow: Follow
) -> None:
    """Half of the streams are open to staff only; a closed stream makes room again."""
    with transaction(runtime.store) as tx:
        clerk = {"Authorization": f"Bearer {create_key(tx, 'till', 'clerk')}"}
    stranger = follow("products")
    assert client.get("/live?on=products").status_code == 204
    staff = Stream(client.get("/live?on=orders", headers=clerk, buffered=False))
    assert client.get("/live?on=orders", headers=clerk).status_code == 204
    staff.close()
    stranger.close()
    follow("products")


def test_the_only_stream_is_for_staff() -> None:
    """A process with few threads keeps its one stream for staff; pages of strangers poll."""
    slots = live.StreamSlots(1)
    assert not slots.acquire(is_staff=False)
    assert slots.acquire(is_staff=True)


def test_a_server_with_few_threads_has_no_streams(config: Config) -> None:
    """204: its pages poll instead."""
    app = create_app(replace(config, threads=3))
    assert app.test_client().get("/live?on=products").status_code == 204
    app.extensions["daybook"].close()


def test_a_stream_ends_when_the_process_stops(runtime: Runtime, follow: Follow) -> None:
    """A shutdown does not wait for open streams."""
    stream = follow("orders")
    stream.next()
    threading.Timer(0.05, runtime.stopping.set).start()
    with pytest.raises(StopIteration):
        stream.next()


def test_a_quiet_stream_sends_heartbeats(runtime: Runtime) -> None:
    """The browser, and a proxy in between, can tell that the stream is alive."""
    shop = ReceiptIssuer("Daybook", "", UTC)
    context = PageContext(runtime.store, OrderPolicy(Currency("EUR")), shop, heartbeat_s=0.05)
    subscription = live.Subscription(runtime.store, ["orders"])
    stream = live.event_stream(context, subscription, runtime.store.position(), ["orders"])
    _, first, second, *_ = islice(stream, 3)
    assert first == second == b": heartbeat\nid: %d\n\n" % runtime.store.position()


@pytest.mark.parametrize(
    "query", ["", "on=", "on=stocks", "on=order/1001", "&".join(["on=orders"] * 9)]
)
def test_an_unknown_topic_is_refused(client: FlaskClient, query: str) -> None:
    """400 for an unknown topic, 404 for the link of no order."""
    assert client.get(f"/live?{query}").status_code in (400, 404)


@pytest.mark.parametrize(
    ("role", "refused"),
    [
        (None, {"orders", "events", "failures", "flow", "shipments", "webhooks"}),
        ("clerk", {"failures", "webhooks"}),
        ("operator", set()),
    ],
)
def test_topics_require_the_role_of_their_pages(
    client: FlaskClient, runtime: Runtime, role: str | None, refused: set[str]
) -> None:
    """Products are for everybody, failures for operators; 401 without credentials."""
    with transaction(runtime.store) as tx:
        keys = {each: create_key(tx, each, each) for each in ("clerk", "operator")}
    headers = {"Authorization": f"Bearer {keys[role]}"} if role else {}
    found = set()
    for topic in live.TOPICS:
        answer = client.get(f"/live?on={topic}", headers=headers, buffered=False)
        found |= {topic} if answer.status_code == (403 if role else 401) else set()
        answer.close()
    assert found == refused
