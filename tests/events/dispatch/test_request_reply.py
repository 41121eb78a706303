"""A handler that asks a peer outside and keeps its books in the store: in turns, never both."""

import threading
from collections.abc import Callable

import pytest

from app.events.failures import replay
from app.events.registry import HandlerRegistry, RequestReplyHandler, TransactionalHandler
from app.events.types import EVENT_TYPES, Envelope
from app.kernel.errors import Unavailable
from app.store import Transaction
from tests.events.conftest import EFFECTS, Shop


class Bank:
    """A peer that answers everything, once it was told how often to be down before."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.outages = 0
        self.before_answer: Callable[[], object] = lambda: None

    def ask(self, question: str) -> str:
        self.heard.append(question)
        self.before_answer()
        if self.outages:
            self.outages -= 1
            raise Unavailable("the bank is down")
        return f"answer to {question}"


def keep_books(tx: Transaction, event: Envelope, answer: str | None) -> str | None:
    """Ask two questions for each order, and note each before it is asked and when answered."""
    books = tx.get(EFFECTS.name, event.subject) or {"id": event.subject, "open": "", "closed": []}
    if answer is not None:
        assert answer == f"answer to {books['open']}"
        books["closed"].append(books["open"])
        books["open"] = ""
    if not books["open"] and len(books["closed"]) < 2:
        books["open"] = f"{event.subject} {len(books['closed']) + 1}"
    tx.put(EFFECTS.name, books)
    return books["open"] or None


def connect(shop: Shop, billing: RequestReplyHandler) -> None:
    """Have `billing` handle its events, and the fakes all others."""
    shop.signals = HandlerRegistry()
    for event in EVENT_TYPES:
        for name in event.handled_by:
            fake = TransactionalHandler(name, getattr(shop, name).inside)
            shop.signals.connect(billing if name == "billing" else fake, event)


@pytest.fixture
def bank(shop: Shop) -> Bank:
    """The shop's billing asks this bank."""
    bank = Bank()
    connect(shop, RequestReplyHandler("billing", keep_books, bank.ask))
    return bank


def closed(shop: Shop, order: str = "order-1") -> list[str]:
    with shop.store.read() as view:
        return list((view.get(EFFECTS.name, order) or {"closed": []})["closed"])


def test_it_asks_until_nothing_is_left_to_ask(shop: Shop, bank: Bank) -> None:
    """Two questions, two answers, and one attempt on record."""
    event_id = shop.emit()
    shop.deliver_all()
    assert bank.heard == closed(shop) == ["order-1 1", "order-1 2"]
    assert shop.delivery(event_id, "billing")["attempts"] == 1


def test_nothing_is_asked_before_it_is_written_down(shop: Shop, bank: Bank) -> None:
    """The peer hears a question only when the books say, durably, that it was asked."""
    written: list[str] = []

    def look() -> None:
        with shop.store.read() as view:
            written.append((view.get(EFFECTS.name, "order-1") or {})["open"])

    bank.before_answer = look
    shop.emit()
    shop.deliver_all()
    assert written == bank.heard == ["order-1 1", "order-1 2"]


def test_an_outage_has_the_same_asked_again(shop: Shop, bank: Bank) -> None:
    """The attempt failed; what was answered before stays answered."""
    bank.outages = 1
    event_id = shop.emit()
    shop.deliver_all()
    assert bank.heard == ["order-1 1", "order-1 1", "order-1 2"]
    assert closed(shop) == ["order-1 1", "order-1 2"]
    assert shop.delivery(event_id, "billing")["attempts"] == 2


def test_a_long_outage_is_parked_and_replayed(shop: Shop, bank: Bank) -> None:
    """Only billing's delivery, with the reason; the question is still open in the books."""
    bank.outages = 3
    event_id = shop.emit()
    shop.deliver_all()
    assert shop.state(event_id, "billing") == "dead"
    [failure] = shop.failures()
    assert failure["error"] == "Unavailable: the bank is down"
    with shop.store.transaction() as tx:
        assert replay(tx, failure["id"], by="eva")
    shop.deliver_all()
    assert closed(shop) == ["order-1 1", "order-1 2"]
    assert shop.failures() == []


def test_a_lost_answer_is_asked_for_again(shop: Shop, bank: Bank) -> None:
    """A crash between question and answer: whoever leads next asks the same, not the next."""
    crash = threading.Event()
    bank.before_answer = crash.wait
    shop.emit()
    shop.deliver(lambda: len(bank.heard) == 1)
    crash.set()
    shop.worker_pool.close()
    shop.worker_pool = type(shop.worker_pool)()
    shop.begin()
    shop.deliver_all()
    assert bank.heard == ["order-1 1", "order-1 1", "order-1 2"]
    assert closed(shop) == ["order-1 1", "order-1 2"]


def test_a_stop_records_the_answer_and_asks_no_more(shop: Shop, bank: Bank) -> None:
    """The delivery stays in the outbox; the next start goes on with the second question."""
    event_id = shop.emit()
    work = shop.begin()
    shop.deliver(lambda: len(bank.heard) == 1)
    shop.worker_pool.close()
    work.finish()
    assert bank.heard == closed(shop) == ["order-1 1"]
    assert shop.state(event_id, "billing") == "pending"


def test_books_that_cannot_be_kept_go_to_failure_json(shop: Shop, bank: Bank) -> None:
    """What `decide` did before it failed is undone, and it is tried no more: a defect."""

    def fail(tx: Transaction, event: Envelope, answer: str | None) -> str | None:
        if answer is not None:
            tx.put(EFFECTS.name, {"id": "half"})
            raise ValueError("a defect")
        return keep_books(tx, event, answer)

    connect(shop, RequestReplyHandler("billing", fail, bank.ask))
    event_id = shop.emit()
    shop.deliver_all()
    assert shop.state(event_id, "billing") == "dead"
    assert bank.heard == ["order-1 1"]
    assert "half" not in shop.effects()
