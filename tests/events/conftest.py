"""A shop of fake handlers around the real outbox, store and dispatcher."""

from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from time import monotonic

import pytest

from app.events import outbox
from app.events.dispatch.loop import DeliveryLoop
from app.events.dispatch.observer import NULL_OBSERVER, Observer
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.worker_pool import WorkerPool
from app.events.failures import FAILURES
from app.events.faults import FAULTS
from app.events.outbox import (
    EVENTS,
    OUTBOX,
    OUTBOXES,
    SUBSCRIBER_OUTBOX,
    TIMELINE_PAGES,
    TIMELINES,
    emit,
)
from app.events.registry import HandlerRegistry, SideEffectHandler, Skipped, TransactionalHandler
from app.events.subscriptions import SUBSCRIPTIONS
from app.events.types import EVENT_TYPES, Envelope, Event, OrderPlaced
from app.store import Collection, Document, Transaction, View
from app.store.files.store import JsonFileStore
from tests.conftest import PATIENCE_S

EFFECTS = Collection(name="effects", key="id", listed=True)
"""Where the fake transactional handlers store their effects: one document for each event."""

COLLECTIONS = (
    *(OUTBOX, SUBSCRIBER_OUTBOX, EVENTS, TIMELINES, TIMELINE_PAGES),
    *(SUBSCRIPTIONS, FAILURES, FAULTS, EFFECTS),
)
QUICK = RetryPolicy(attempts=3, first_wait_s=0.001)


class Fake:
    """A handler that keeps the events it received, and raises the errors that the test sets."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[str] = []
        self.orders: list[str] = []
        self.reason_to_skip = ""
        self.skips: Callable[[Envelope], bool] = lambda _event: True
        self.act: Callable[[Envelope], object] = lambda _event: None
        self._errors: list[BaseException] = []
        self._always: dict[str | None, BaseException] = {}

    def fail(self, *errors: BaseException) -> None:
        """Raise these errors in turn, then none."""
        self._errors = list(errors)

    def fail_always(self, error: BaseException, order: str | None = None) -> None:
        """Raise `error` each time; only for one order, when it is named."""
        self._always[order] = error

    def recover(self) -> None:
        """Raise nothing from now on."""
        self._errors, self._always = [], {}

    def run_in_transaction(self, tx: Transaction, event: Envelope) -> None:
        tx.put(EFFECTS.name, {"id": f"{event.id}:{self.name}", "order": event.subject})
        self.run(event)

    def prepare(self, _view: View, event: Envelope) -> Envelope:
        if self.reason_to_skip and self.skips(event):
            raise Skipped(self.reason_to_skip)
        return event

    def run(self, event: Envelope) -> None:
        self.seen.append(event.id)
        self.orders.append(event.subject)
        self.act(event)
        error = self._always.get(event.subject) or self._always.get(None)
        if error or self._errors:
            # a copy: the traceback of an error that is raised repeatedly keeps growing
            raise copy(error or self._errors.pop(0))


class Shop:
    """The store, the fakes by name, and a delivery loop that the test runs step by step."""

    def __init__(self, store: JsonFileStore) -> None:
        self.store = store
        self.registry = HandlerRegistry()
        self.inventory, self.billing = Fake("inventory"), Fake("billing")
        self.orders, self.notification = Fake("orders"), Fake("notification")
        self.shipping, self.privacy = Fake("shipping"), Fake("privacy")
        for event in EVENT_TYPES:
            for name in event.handled_by:
                fake: Fake = getattr(self, name, Fake(name))
                kind = (
                    SideEffectHandler(name, fake.run, fake.prepare)
                    if fake is self.notification
                    else None
                )
                self.registry.connect(
                    kind or TransactionalHandler(name, fake.run_in_transaction), event
                )
        self.worker_pool = WorkerPool()
        self.policy = QUICK
        self.observer: Observer = NULL_OBSERVER
        self._loop: DeliveryLoop | None = None

    def emit(
        self, order: str = "order-1", event: type[Event] = OrderPlaced, number: int = 1001
    ) -> str:
        """Emit an event about an order; returns the event's id."""

        def emit_one(tx: Transaction) -> str:
            emit(tx, event(order, {"order": {"number": number}}))
            return str((tx.get(TIMELINES.name, order) or {})["events"][-1])

        return self.store.run_in_transaction(emit_one)

    def start_loop(self, *, with_faults: bool = False) -> DeliveryLoop:
        """A new delivery loop, as after a restart."""
        self._feed = self.store.change_feed(OUTBOX.name)
        self._loop = DeliveryLoop(
            self.store,
            self.registry,
            self.policy,
            self._feed,
            self.worker_pool,
            with_faults=with_faults,
            observer=self.observer,
        )
        self._loop.load_outbox()
        return self._loop

    def deliver(self, until: Callable[[], bool]) -> None:
        """Run iterations until the condition holds; fail after PATIENCE_S."""
        loop = self._loop or self.start_loop()
        deadline = monotonic() + PATIENCE_S
        while not until():
            assert monotonic() < deadline, "the condition did not hold in time"
            loop.run_once()

    def deliver_what_is_due(self) -> None:
        """Run iterations until none changes anything."""
        loop = self._loop or self.start_loop()
        quiet = 0
        while quiet < 3:
            position = self.store.position()
            self._feed.wake()
            loop.run_once()
            is_quiet = self.store.position() == position and not self.worker_pool.partitions
            quiet = quiet + 1 if is_quiet else 0

    def deliver_to(self, handler: str, event_id: str) -> None:
        """Run iterations until the event is delivered to that handler."""
        self.deliver(lambda: self.state(event_id, handler) == outbox.DONE)

    def deliver_all(self) -> None:
        """Run iterations until no delivery is pending, except behind a dead one."""
        self.deliver(lambda: not self.pending())

    def pending(self) -> list[tuple[str, str]]:
        """(event id, handler) of each pending delivery."""
        with self.store.read() as view:
            subjects = {
                each["event"]["subject"] for name in OUTBOXES for each in view.find(name).documents
            }
            return [
                (record["id"], handler)
                for subject in subjects
                for record in outbox.timeline(view, subject)
                for handler, delivery in record["deliveries"].items()
                if delivery["state"] == outbox.PENDING
            ]

    def delivery(self, event_id: str, handler: str) -> Document:
        """The stored state of a delivery."""
        with self.store.read() as view:
            record = outbox.find_event(view, event_id)
        assert record is not None
        delivery: Document = outbox.deliveries_of(record)[handler]
        return delivery

    def state(self, event_id: str, handler: str) -> str:
        return str(self.delivery(event_id, handler)["state"])

    def states(self, event_id: str) -> dict[str, str]:
        with self.store.read() as view:
            record = outbox.find_event(view, event_id)
        assert record is not None
        deliveries = outbox.deliveries_of(record)
        return {name: delivery["state"] for name, delivery in deliveries.items()}

    def failures(self) -> list[Document]:
        with self.store.read() as view:
            return view.find(FAILURES.name).documents

    def count(self, collection: Collection) -> int:
        with self.store.read() as view:
            return view.count(collection.name)

    def effects(self) -> list[str]:
        with self.store.read() as view:
            return [effect["id"] for effect in view.find(EFFECTS.name).documents]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JsonFileStore]:
    """A real store in a folder of its own."""
    store = JsonFileStore(tmp_path / "data", COLLECTIONS)
    yield store
    store.close()


@pytest.fixture
def shop(store: JsonFileStore) -> Iterator[Shop]:
    """Fake handlers on the real store; the test runs the deliveries."""
    shop = Shop(store)
    yield shop
    shop.worker_pool.close()
