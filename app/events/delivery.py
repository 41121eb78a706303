"""The heart of the dispatcher: each event to each of its handlers, in the order of each order.

One step of a round:

    feed ──what changed──▶ schedule ──what may run now──▶ handlers ──what came of it──▶ outbox

Handlers inside the store run in the step's one transaction, each behind its own savepoint, so their
effects and their `done` are one record. What they emit about the same order runs there as well.
Handlers with effects outside run in the workshop's threads after it; what came of them is put on
record by the transaction of a later step.

A round remembers nothing that the outbox doesn't say. When the store is in trouble, or the process
dies, the next round begins from there.
"""

from collections import Counter
from functools import partial
from time import monotonic

from app.events import faults
from app.events.lanes import Lane
from app.events.outbox import OUTBOX, PENDING, Records
from app.events.outcome import Delivery, error_of, judge, put_on_record
from app.events.retry import RetryPolicy
from app.events.schedule import Room, Schedule
from app.events.signals import Inside, Signals
from app.events.types import Envelope
from app.events.workshop import Workshop
from app.store import Feed, Store, Transaction, View

IDLE_S = 0.25
BUSY_S = 0.005
PAGE = 500

LONGEST_S = 0.005
"""So long a transaction goes on taking deliveries in: a POST hardly waits for its turn."""


class Round:
    """Deliveries from one start to the next trouble. Every method raises what the store raises."""

    def __init__(
        self,
        store: Store,
        signals: Signals,
        policy: RetryPolicy,
        feed: Feed,
        workshop: Workshop,
        *,
        with_faults: bool = False,
    ) -> None:
        self._store = store
        self._signals = signals
        self._policy = policy
        self._feed = feed
        self._workshop = workshop
        self._with_faults = with_faults
        self._schedule = Schedule(workshop.lanes)
        self._slowed: set[Lane] = set()

    def begin(self) -> None:
        """Take in everything that stands in the outbox."""
        after: str | None = None
        while True:
            with self._store.read() as view:
                page = view.find(OUTBOX.name, after=after, limit=PAGE)
            for record in page.documents:
                self._schedule.update(record["id"], record)
            if page.next is None:
                return
            after = page.next

    def step(self) -> float:
        """Take in what changed, waiting for it when nothing else is to be done; then deliver.

        Returns for how many seconds other writers (requests, above all) had it wait for its turn.
        """
        longest_s = BUSY_S if self._workshop.lanes else IDLE_S
        self._take_in(self._feed.take(self._schedule.wait_s(self._workshop.room, longest_s)))
        return self._deliver(self._schedule.take(self._workshop.room))

    def finish(self) -> None:
        """Put on record what ended in the workshop; begin nothing more."""
        self._deliver([])

    def _take_in(self, event_ids: list[str]) -> None:
        if not event_ids:
            return
        with self._store.read() as view:
            records = {id_: view.get(OUTBOX.name, id_) for id_ in sorted(set(event_ids))}
        for event_id, record in records.items():
            self._schedule.update(event_id, record)

    def _deliver(self, lanes: list[Lane]) -> float:
        """Record what ended outside, run what runs inside, then begin what runs outside.

        Returns the seconds that it waited for its turn to write.
        """
        ended = self._workshop.ended()
        if not lanes and not ended:
            return 0.0
        began = monotonic()
        with self._store.transaction() as tx:
            waited_s = monotonic() - began
            records = Records(tx)
            for delivery, error in ended:
                self._settle(records, delivery, error)
            outside = self._run(records, lanes, began + waited_s + LONGEST_S)
            records.write()
        self._workshop.recorded()
        if outside:
            # what a handler does out there cannot be taken back: its cause must be safe first
            self._store.make_durable()
        for delivery in outside:
            self._workshop.begin(delivery, partial(self._run_outside, delivery))
        return waited_s

    def _run(self, records: Records, lanes: list[Lane], until: float) -> list[Delivery]:
        """Run what runs inside, and what has become ready by it; returns what runs outside."""
        outside: list[Delivery] = []
        while lanes:
            begun = [self._next(records, lane) for lane in lanes]
            outside += [each for each in begun if each and not self._ran_inside(records, each)]
            lanes = self._schedule.take(self._room_beside(outside)) if monotonic() < until else []
        return outside

    def _room_beside(self, outside: list[Delivery]) -> Room:
        """The workshop's room, less what shall begin there when the transaction is durable."""
        taken = Counter(delivery.lane.handler for delivery in outside)
        return lambda handler: self._workshop.room(handler) - taken[handler]

    def _next(self, records: Records, lane: Lane) -> Delivery | None:
        """The delivery at the head of a lane, unless it is gone meanwhile or has to wait."""
        event_id = self._schedule.head(lane)
        record = records.get(event_id)
        if record is None or record["deliveries"][lane.handler]["state"] != PENDING:
            self._schedule.hand_back(lane, event_id, record)
            return None
        event = records.event(event_id)
        if self._is_slowed(records.tx, lane, event):
            return None
        handler = self._signals.handler(event.type, lane.handler)
        entry = record["deliveries"][lane.handler]
        before_replay = entry.get("before_replay", 0)
        return Delivery(lane, event, handler, entry["attempts"] + 1, before_replay)

    def _is_slowed(self, view: View, lane: Lane, event: Envelope) -> bool:
        """Whether a fault switch has the delivery wait; once for each attempt."""
        delay_s = faults.slowness_s(view, lane.handler, event) if self._with_faults else 0.0
        if not delay_s or lane in self._slowed:
            self._slowed.discard(lane)
            return False
        self._slowed.add(lane)
        self._schedule.put_off(lane, delay_s)
        return True

    def _ran_inside(self, records: Records, delivery: Delivery) -> bool:
        """Run the handler if it works inside the store, and record what came of it."""
        if not isinstance(delivery.handler, Inside):
            return False
        error = error_of(partial(self._run_inside, records.tx, delivery))
        self._settle(records, delivery, error)
        if error is None:
            for event_id, record in records.emitted_after(delivery.event):
                self._schedule.update(event_id, record)
        return True

    def _run_inside(self, tx: Transaction, delivery: Delivery) -> None:
        if self._with_faults:
            faults.strike(tx, delivery.lane.handler, delivery.event)
        with tx.savepoint():
            delivery.handler(delivery.event, tx)

    def _run_outside(self, delivery: Delivery) -> None:
        if self._with_faults:
            faults.strike_outside(self._store, delivery.lane.handler, delivery.event)
        delivery.handler(delivery.event)

    def _settle(self, records: Records, delivery: Delivery, error: BaseException | None) -> None:
        """Put on record what came of a delivery, and let its lane go on."""
        record = records.get(delivery.event.id)
        if record and delivery.is_open(record):
            breaker = self._schedule.breaker(delivery.lane.handler)
            attempt = delivery.attempt - delivery.before_replay
            verdict = judge(error, attempt, self._policy, breaker)
            put_on_record(records, record, delivery, verdict)
        self._schedule.hand_back(delivery.lane, delivery.event.id, record)
