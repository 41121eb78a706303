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
from app.events.outbox import EVENTS, OUTBOX, TIMELINES, emit
from app.events.registry import HandlerRegistry, SideEffectHandler, Skipped, TransactionalHandler
from app.events.types import EVENT_TYPES, Envelope, Event, OrderPlaced
from app.store import Collection, Document, Transaction
from app.store.files.store import JsonFileStore

EFFECTS = Collection(name="effects", key="id", listed=True)
"""Where the fake handlers inside the store leave their effects: one document for each event."""

COLLECTIONS = (OUTBOX, EVENTS, TIMELINES, FAILURES, FAULTS, EFFECTS)
PATIENCE_S = 10.0
QUICK = RetryPolicy(attempts=3, first_wait_s=0.001)


class Fake:
    """A handler that notes what it gets, acts as told, and raises what it was told to."""

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
        """Raise these, one after the other, then none."""
        self._errors = list(errors)

    def fail_always(self, error: BaseException, order: str | None = None) -> None:
        """Raise `error` each time; only for one order, when it is named."""
        self._always[order] = error

    def recover(self) -> None:
        """Raise nothing from now on."""
        self._errors, self._always = [], {}

    def inside(self, tx: Transaction, event: Envelope) -> None:
        tx.put(EFFECTS.name, {"id": f"{event.id}:{self.name}", "order": event.subject})
        self.outside(event)

    def precheck(self, event: Envelope) -> None:
        if self.reason_to_skip and self.skips(event):
            raise Skipped(self.reason_to_skip)

    def outside(self, event: Envelope) -> None:
        self.seen.append(event.id)
        self.orders.append(event.subject)
        self.act(event)
        error = self._always.get(event.subject) or self._always.get(None)
        if error or self._errors:
            # a copy: one that is raised again and again drags ever more traceback along
            raise copy(error or self._errors.pop(0))


class Shop:
    """The store, the fakes by name, and a round of deliveries that the test drives by hand."""

    def __init__(self, store: JsonFileStore) -> None:
        self.store = store
        self.signals = HandlerRegistry()
        self.inventory, self.billing = Fake("inventory"), Fake("billing")
        self.orders, self.notification = Fake("orders"), Fake("notification")
        self.shipping = Fake("shipping")
        for event in EVENT_TYPES:
            for name in event.handled_by:
                fake: Fake = getattr(self, name)
                kind = (
                    SideEffectHandler(name, fake.outside, fake.precheck)
                    if fake is self.notification
                    else None
                )
                self.signals.connect(kind or TransactionalHandler(name, fake.inside), event)
        self.worker_pool = WorkerPool()
        self.policy = QUICK
        self.observer: Observer = NULL_OBSERVER
        self._round: DeliveryLoop | None = None

    def emit(
        self, order: str = "order-1", event: type[Event] = OrderPlaced, number: int = 1001
    ) -> str:
        """Something happened to an order; returns the event's id."""
        with self.store.transaction() as tx:
            emit(tx, event(order, {"order": {"number": number}}))
            ids: list[str] = (tx.get(TIMELINES.name, order) or {})["events"]
        return ids[-1]

    def begin(self, *, with_faults: bool = False) -> DeliveryLoop:
        """A new round, as after a restart."""
        feed = self.store.change_feed(OUTBOX.name)
        self._round = DeliveryLoop(
            self.store,
            self.signals,
            self.policy,
            feed,
            self.worker_pool,
            with_faults=with_faults,
            observer=self.observer,
        )
        self._round.begin()
        return self._round

    def deliver(self, until: Callable[[], bool]) -> None:
        """Step until the condition holds; fails after ten seconds."""
        work = self._round or self.begin()
        deadline = monotonic() + PATIENCE_S
        while not until():
            assert monotonic() < deadline, "the deliveries did not get there in time"
            work.step()

    def deliver_to(self, handler: str, event_id: str) -> None:
        """Step until that handler is through with the event."""
        self.deliver(lambda: self.state(event_id, handler) == outbox.DONE)

    def deliver_all(self) -> None:
        """Step until no delivery is pending, but for those that wait behind a dead one."""
        self.deliver(lambda: not self.pending())

    def pending(self) -> list[tuple[str, str]]:
        """(event id, handler) of all that is on its way."""
        with self.store.read() as view:
            subjects = {each["event"]["subject"] for each in view.find(OUTBOX.name).documents}
            return [
                (record["id"], handler)
                for subject in subjects
                for record in outbox.timeline(view, subject)
                for handler, delivery in record["deliveries"].items()
                if delivery["state"] == outbox.PENDING
            ]

    def delivery(self, event_id: str, handler: str) -> Document:
        """How a delivery stands, as the store has it."""
        with self.store.read() as view:
            record = outbox.find_event(view, event_id)
        assert record is not None
        delivery: Document = record["deliveries"][handler]
        return delivery

    def state(self, event_id: str, handler: str) -> str:
        return str(self.delivery(event_id, handler)["state"])

    def states(self, event_id: str) -> dict[str, str]:
        with self.store.read() as view:
            record = outbox.find_event(view, event_id)
        assert record is not None
        return {name: delivery["state"] for name, delivery in record["deliveries"].items()}

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
    """Fake handlers on the real store; the test drives the deliveries."""
    shop = Shop(store)
    yield shop
    shop.worker_pool.close()
