"""Request-reply handlers: requests go to a peer, replies to the store, one after the other."""

import threading
from collections.abc import Callable

import pytest

from app.events.failures import replay
from app.events.registry import HandlerRegistry, RequestReplyHandler, TransactionalHandler
from app.events.types import EVENT_TYPES, Envelope
from app.kernel.errors import Unavailable
from app.store import Transaction
from tests.events.conftest import EFFECTS, Shop
from tests.transactions import transaction


class Bank:
    """A peer that replies to every request, after as many outages as the test sets."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.outages = 0
        self.before_reply: Callable[[], object] = lambda: None

    def send(self, request: str) -> str:
        self.requests.append(request)
        self.before_reply()
        if self.outages:
            self.outages -= 1
            raise Unavailable("the bank is down")
        return f"reply to {request}"


def two_requests(tx: Transaction, event: Envelope, reply: str | None) -> str | None:
    """Make two requests for each order; store each before it is sent, and when it is replied to."""
    books = tx.get(EFFECTS.name, event.subject) or {"id": event.subject, "open": "", "closed": []}
    if reply is not None:
        assert reply == f"reply to {books['open']}"
        books["closed"].append(books["open"])
        books["open"] = ""
    if not books["open"] and len(books["closed"]) < 2:
        books["open"] = f"{event.subject} {len(books['closed']) + 1}"
    tx.put(EFFECTS.name, books)
    return books["open"] or None


def connect(shop: Shop, billing: RequestReplyHandler) -> None:
    """Connect `billing`, and the fakes for all other handlers."""
    shop.registry = HandlerRegistry()
    for event in EVENT_TYPES:
        for name in event.handled_by:
            fake = TransactionalHandler(name, getattr(shop, name).run_in_transaction)
            shop.registry.connect(billing if name == "billing" else fake, event)


@pytest.fixture
def bank(shop: Shop) -> Bank:
    """The peer of the shop's billing."""
    bank = Bank()
    connect(shop, RequestReplyHandler("billing", two_requests, bank.send))
    return bank


def closed(shop: Shop, order: str = "order-1") -> list[str]:
    with shop.store.read() as view:
        return list((view.get(EFFECTS.name, order) or {"closed": []})["closed"])


def test_requests_are_sent_until_none_is_left(shop: Shop, bank: Bank) -> None:
    """Two requests and two replies are one attempt."""
    event_id = shop.emit()
    shop.deliver_all()
    assert bank.requests == closed(shop) == ["order-1 1", "order-1 2"]
    assert shop.delivery(event_id, "billing")["attempts"] == 1


def test_a_request_is_durable_before_it_is_sent(shop: Shop, bank: Bank) -> None:
    """The peer receives a request only after it is stored."""
    written: list[str] = []

    def look() -> None:
        with shop.store.read() as view:
            written.append((view.get(EFFECTS.name, "order-1") or {})["open"])

    bank.before_reply = look
    shop.emit()
    shop.deliver_all()
    assert written == bank.requests == ["order-1 1", "order-1 2"]


def test_an_outage_repeats_the_same_request(shop: Shop, bank: Bank) -> None:
    """The attempt failed; earlier replies are kept."""
    bank.outages = 1
    event_id = shop.emit()
    shop.deliver_all()
    assert bank.requests == ["order-1 1", "order-1 1", "order-1 2"]
    assert closed(shop) == ["order-1 1", "order-1 2"]
    assert shop.delivery(event_id, "billing")["attempts"] == 2


def test_a_long_outage_ends_in_failure_json_and_is_replayed(shop: Shop, bank: Bank) -> None:
    """Only billing's delivery is dead; the stored request is sent again by the replay."""
    bank.outages = 3
    event_id = shop.emit()
    shop.deliver_all()
    assert shop.state(event_id, "billing") == "dead"
    [failure] = shop.failures()
    assert failure["error"] == "Unavailable: the bank is down"
    with transaction(shop.store) as tx:
        assert replay(tx, failure["id"], by="eva")
    shop.deliver_all()
    assert closed(shop) == ["order-1 1", "order-1 2"]
    assert shop.failures() == []


def test_a_lost_reply_repeats_the_request(shop: Shop, bank: Bank) -> None:
    """After a crash between request and reply the next leader sends the same request."""
    crash = threading.Event()
    bank.before_reply = crash.wait
    shop.emit()
    shop.deliver(lambda: len(bank.requests) == 1)
    crash.set()
    shop.worker_pool.close()
    shop.worker_pool = type(shop.worker_pool)()
    shop.start_loop()
    shop.deliver_all()
    assert bank.requests == ["order-1 1", "order-1 1", "order-1 2"]
    assert closed(shop) == ["order-1 1", "order-1 2"]


def test_a_stop_records_the_reply_and_sends_no_more(shop: Shop, bank: Bank) -> None:
    """The delivery stays in the outbox; the next start goes on with the second request."""
    replies = threading.Event()
    bank.before_reply = replies.wait
    event_id = shop.emit()
    loop = shop.start_loop()
    shop.deliver(lambda: len(bank.requests) == 1)
    replies.set()
    shop.worker_pool.close()
    loop.record_completed()
    assert bank.requests == closed(shop) == ["order-1 1"]
    assert shop.state(event_id, "billing") == "pending"


def test_a_reply_that_cannot_be_handled_goes_to_failure_json(shop: Shop, bank: Bank) -> None:
    """The changes of `next_request` are undone, and a defect is not retried."""

    def fail(tx: Transaction, event: Envelope, reply: str | None) -> str | None:
        if reply is not None:
            tx.put(EFFECTS.name, {"id": "half"})
            raise ValueError("a defect")
        return two_requests(tx, event, reply)

    connect(shop, RequestReplyHandler("billing", fail, bank.send))
    event_id = shop.emit()
    shop.deliver_all()
    assert shop.state(event_id, "billing") == "dead"
    assert bank.requests == ["order-1 1"]
    assert "half" not in shop.effects()
