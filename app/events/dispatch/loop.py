"""The heart of the dispatcher: each event to each of its handlers, in the order of each order.

One step of a round:

    feed ──what changed──▶ schedule ──what may run now──▶ handlers ──what came of it──▶ outbox

Handlers inside the store run in the step's one transaction, each behind its own savepoint, so their
effects and their `done` are one record. What they emit about the same order runs there as well.
Handlers with effects outside run in the workshop's threads after it; what came of them is put on
record by the transaction of a later step. A handler that asks a peer goes back and forth: inside,
outside with its question, inside with the answer.

A round remembers nothing that the outbox doesn't say. When the store is in trouble, or the process
dies, the next round begins from there.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic, time
from typing import Any, NamedTuple

from app.events import faults
from app.events.dispatch.inbox import News
from app.events.dispatch.observer import NULL_OBSERVER, Observer
from app.events.dispatch.outcome import Delivery, Verdict, judge, record_outcome, result_of
from app.events.dispatch.partitions import Partition
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.scheduler import Room, Schedule
from app.events.dispatch.worker_pool import Completed, WorkerPool
from app.events.outbox import OUTBOX, PENDING, UnitOfWork
from app.events.registry import HandlerRegistry, RequestReplyHandler, SideEffectHandler
from app.events.types import Envelope
from app.kernel import trace
from app.store import ChangeFeed, Store, Transaction, View

IDLE_S = 0.25
BUSY_S = 0.005
PAGE = 500

LONGEST_S = 0.005
"""So long a transaction goes on taking deliveries in: a POST hardly waits for its turn."""


class DeferredTask(NamedTuple):
    """What is to be done outside the store for a delivery."""

    delivery: Delivery
    work: Callable[[], Any]


class Step(NamedTuple):
    """How one step went: of how many events others told, and two times in seconds.

    `waited_s` is how long other writers (requests, above all) had it wait for its turn, `due_s` how
    long the oldest delivery that could run now has waited.
    """

    came: int
    waited_s: float
    due_s: float


class DeliveryLoop:
    """Deliveries from one start to the next trouble. Every method raises what the store raises."""

    def __init__(
        self,
        store: Store,
        signals: HandlerRegistry,
        policy: RetryPolicy,
        feed: ChangeFeed,
        worker_pool: WorkerPool,
        *,
        with_faults: bool = False,
        observer: Observer = NULL_OBSERVER,
    ) -> None:
        self._observer = observer
        self._store = store
        self._signals = signals
        self._policy = policy
        self._news = News(feed)
        self._worker_pool = worker_pool
        self._with_faults = with_faults
        self._schedule = Schedule(worker_pool.partitions)
        self._slowed: set[Partition] = set()
        self._settled: list[tuple[Delivery, Verdict]] = []

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

    def step(self) -> Step:
        """Take in what changed, waiting for it when nothing else is to be done; then deliver."""
        longest_s = BUSY_S if self._worker_pool.partitions else IDLE_S
        self._take_in(self._news.take(self._schedule.wait_s(self._worker_pool.room, longest_s)))
        waited_s, tasks = self._deliver(self._schedule.take(self._worker_pool.room))
        self._begin(tasks)
        due_s = max(self._schedule.due_s(), self._news.due_s())
        self._observer.led(due_s)
        return Step(self._news.came, waited_s, due_s)

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

    def _deliver(self, partitions: list[Partition]) -> tuple[float, list[DeferredTask]]:
        """Record what ended outside, and run what runs inside.

        Returns the seconds that it waited for its turn to write, and what is to be run outside.
        """
        ended = self._worker_pool.ended()
        if not partitions and not ended:
            return 0.0, []
        began = monotonic()
        self._settled.clear()
        with self._store.transaction() as tx:
            waited_s = monotonic() - began
            records = UnitOfWork(tx)
            tasks = [
                task
                for each in ended
                if (task := _traced(each.delivery, self._go_on, records, each))
            ]
            self._run(records, partitions, tasks, began + waited_s + LONGEST_S)
            changed = records.write()
        self._news.expect(changed)
        self._worker_pool.recorded()
        for delivery, verdict in self._settled:
            self._observer.delivered(delivery, verdict)
        return waited_s, tasks

    def _begin(self, tasks: list[DeferredTask]) -> None:
        if tasks:
            # what a handler does out there cannot be taken back: its cause must be safe first
            self._store.make_durable()
        for task in tasks:
            self._worker_pool.begin(*task)

    def _run(
        self,
        records: UnitOfWork,
        partitions: list[Partition],
        tasks: list[DeferredTask],
        until: float,
    ) -> None:
        """Run what runs inside, and what has become ready by it; adds what runs outside."""
        while True:
            begun = [self._next(records, partition) for partition in partitions]
            turns = [_traced(each, self._turn, records, each) for each in begun if each]
            tasks += [task for task in turns if task]
            if monotonic() >= until:
                return
            partitions = self._schedule.take(self._room_beside(tasks))
            if not partitions:
                return

    def _room_beside(self, tasks: list[DeferredTask]) -> Room:
        """The workshop's room, less what shall begin there when the transaction is durable."""
        taken = Counter(task.delivery.partition.handler for task in tasks)
        return lambda handler: self._worker_pool.room(handler) - taken[handler]

    def _next(self, records: UnitOfWork, partition: Partition) -> Delivery | None:
        """The delivery at the head of a lane, unless it is gone meanwhile or has to wait."""
        event_id = self._schedule.head(partition)
        record = records.get(event_id)
        if record is None or record["deliveries"][partition.handler]["state"] != PENDING:
            self._schedule.release(partition, event_id, record)
            return None
        event = records.event(event_id)
        if self._is_slowed(records.tx, partition, event):
            return None
        handler = self._signals.handler(event.type, partition.handler)
        entry = record["deliveries"][partition.handler]
        before_replay = entry.get("before_replay", 0)
        attempt, span = entry["attempts"] + 1, trace.from_traceparent(event.traceparent)
        return Delivery(partition, event, handler, attempt, before_replay, span, time())

    def _is_slowed(self, view: View, partition: Partition, event: Envelope) -> bool:
        """Whether a fault switch has the delivery wait; once for each attempt."""
        delay_s = faults.slowness_s(view, partition.handler, event) if self._with_faults else 0.0
        if not delay_s or partition in self._slowed:
            self._slowed.discard(partition)
            return False
        self._slowed.add(partition)
        self._schedule.postpone(partition, delay_s)
        return True

    def _go_on(self, records: UnitOfWork, ended: Completed) -> DeferredTask | None:
        """Record what ended outside, or have its handler say what follows from the answer."""
        delivery, result = ended
        record = records.get(delivery.event.id)
        is_answer = isinstance(delivery.handler, RequestReplyHandler) and result.error is None
        if is_answer and record and delivery.is_open(record):
            return self._turn(records, delivery, result.answer)
        self._settle(records, delivery, result.error)
        return None

    def _turn(
        self, records: UnitOfWork, delivery: Delivery, answer: Any = None
    ) -> DeferredTask | None:
        """Run what the handler does inside the store; returns what it does outside, if anything.

        When nothing is left to be done outside, what came of the delivery is recorded.
        """
        handler = delivery.handler
        if isinstance(handler, SideEffectHandler):
            _, error = result_of(partial(handler.precheck, delivery.event))
            if error is None:
                return DeferredTask(delivery, partial(self._run_outside, delivery))
            self._settle(records, delivery, error, has_asked=False)
            return None
        question, error = result_of(partial(self._run_inside, records.tx, delivery, answer))
        task = None
        if isinstance(handler, RequestReplyHandler) and question is not None:
            task = DeferredTask(delivery, partial(handler.ask, question))
        else:
            has_asked = answer is not None or not isinstance(handler, RequestReplyHandler)
            self._settle(records, delivery, error, has_asked=has_asked)
        if error is None:
            for event_id, record in records.emitted_after(delivery.event):
                self._schedule.update(event_id, record)
        return task

    def _run_inside(self, tx: Transaction, delivery: Delivery, answer: Any) -> Any:
        """What an asking handler wants to ask next; None for every other one."""
        handler, event = delivery.handler, delivery.event
        if self._with_faults and answer is None:
            faults.inject_fault(tx, delivery.partition.handler, event)
        with tx.savepoint():
            if isinstance(handler, RequestReplyHandler):
                return handler.decide(tx, event, answer)
            handler(event, tx)
            return None

    def _run_outside(self, delivery: Delivery) -> None:
        if self._with_faults:
            faults.inject_fault_in_transaction(
                self._store, delivery.partition.handler, delivery.event
            )
        delivery.handler(delivery.event)

    def _settle(
        self,
        records: UnitOfWork,
        delivery: Delivery,
        error: BaseException | None,
        *,
        has_asked: bool = True,
    ) -> None:
        """Put on record what came of a delivery, and let its lane go on."""
        record = records.get(delivery.event.id)
        if record and delivery.is_open(record):
            breaker = self._schedule.breaker(delivery.partition.handler)
            attempt = delivery.attempt - delivery.before_replay
            verdict = judge(error, attempt, self._policy, breaker, has_asked=has_asked)
            record_outcome(records, record, delivery, verdict)
            self._settled.append((delivery, verdict))
        self._schedule.release(delivery.partition, delivery.event.id, record)


def _traced(
    delivery: Delivery, work: Callable[..., DeferredTask | None], *arguments: object
) -> DeferredTask | None:
    """What `work` returns, done within the delivery's part of its trace: what it emits follows."""
    with trace.attached(delivery.span):
        return work(*arguments)
