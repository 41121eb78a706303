"""The delivery loop: brings each event to each of its handlers, in order for each partition.

One iteration:

    change feed ─▶ inbox ─▶ scheduler ─▶ handlers ─▶ outcomes ─▶ outbox, failure.json

- A transactional handler runs in the iteration's one transaction, behind its own savepoint: its
  changes and its `done` are one record (exactly once). Events that it emits about the same order
  are delivered in the same iteration.
- A side-effect handler runs in the worker pool after that transaction is durable. A later iteration
  records its outcome, so a crash in between repeats it (at least once). One with a `finish` gets
  the deliveries of an iteration together.
- A request-reply handler alternates: it chooses a request in a transaction, the request is sent in
  the worker pool, and the reply is handled in a transaction.

A loop keeps no state that the outbox does not have. After an error of the store or the death of the
process, a new loop starts from there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, InitVar, dataclass
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

from app.events import faults, pace
from app.events.dispatch.delivery import Delivery, Partition, call, next_attempt
from app.events.dispatch.inbox import Inbox
from app.events.dispatch.observer import NULL_OBSERVER, Observer
from app.events.dispatch.outcome import log_outcome
from app.events.dispatch.recorder import OutcomeRecorder
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.scheduling.ready_queues import Capacity
from app.events.dispatch.scheduling.scheduler import Scheduler
from app.events.dispatch.worker_pool import Completed, DeferredTask, WorkerPool
from app.events.outbox import (
    OUTBOX,
    PENDING,
    SUBSCRIBER_OUTBOX,
    fan_out,
    find_open_event,
    prefetch_open_events,
)
from app.events.registry import (
    Finish,
    HandlerRegistry,
    RequestReplyHandler,
    SideEffectHandler,
    TransactionalHandler,
)
from app.events.subscriptions import FAN_OUT, is_subscriber
from app.events.types import Envelope
from app.events.unit_of_work import UnitOfWork
from app.kernel import trace
from app.kernel.errors import Unavailable
from app.store import ALL_SHARDS, ChangeFeed, Store, Transaction

IDLE_POLL_S = 0.25
"""Longest wait for a change when nothing is running."""

POOL_POLL_S = 0.005
"""Longest wait for a change while the pool has deliveries: a result does not end the wait."""

LOAD_PAGE_SIZE = 100
"""Outbox records that are read under one view: few enough that a delivery hardly waits for them."""

BATCH_MAX_OPEN_S = 0.005
"""How long a transaction takes in further deliveries: a POST hardly waits for the commit lock."""


class Iteration(NamedTuple):
    """Measurements of one iteration, for the throttle.

    `foreign_events` is the number of changes of the shop's outbox by others, `lock_wait_s` how long
    the loop waited for the commit lock, `overdue_s` how long the oldest ready delivery has waited.
    """

    foreign_events: int
    lock_wait_s: float
    overdue_s: float


@dataclass(eq=False)
class DeliveryLoop:
    """Deliveries from one start to the next error of the store, which every method passes on.

    `feed` reports changes of the shop's outbox. `shards` are those that this process has leased.
    """

    store: Store
    registry: HandlerRegistry
    policy: RetryPolicy
    feed: InitVar[ChangeFeed]
    worker_pool: WorkerPool
    _: KW_ONLY
    shards: frozenset[int] = ALL_SHARDS
    observer: Observer = NULL_OBSERVER
    with_faults: bool = False

    def __post_init__(self, feed: ChangeFeed) -> None:
        """Start with nothing scheduled but what runs in the worker pool."""
        self._inbox = Inbox(feed)
        self._scheduler = Scheduler(self.worker_pool.partitions, self.shards)
        self._delayed: set[Partition] = set()
        self._undelayed: list[Partition] = []
        self._tasks: list[DeferredTask] = []
        self._recorder = OutcomeRecorder(self.registry, self.policy, self._scheduler.breaker)

    def load_outbox(self) -> None:
        """Schedule the shop's open events; call this once, before `run_once`.

        Those that only subscribers wait for may be many: `run_once` reads a page of them each time.
        """
        self._subscriber_inbox = Inbox(self.store.change_feed(SUBSCRIBER_OUTBOX.name))
        self._subscriber_pages = self._load_pages(SUBSCRIBER_OUTBOX.name)
        self._is_behind = True
        for _ in self._load_pages(OUTBOX.name):
            self._renew_lease()

    def _load_pages(self, collection: str) -> Iterator[bool]:
        """Schedule the open events of a collection; yield after each page but the last."""
        after: str | None = None
        while True:
            with self.store.read() as view:
                page = view.find(collection, after=after, limit=LOAD_PAGE_SIZE)
            for record in page.documents:
                self._scheduler.update(record["id"], record)
            if page.next is None:
                return
            yield True
            after = page.next

    def run_once(self, max_idle_s: float = IDLE_POLL_S) -> Iteration:
        """Read what changed, waiting for a change if nothing is ready; then deliver.

        Without anything in the worker pool it waits for `max_idle_s` at most.
        """
        max_wait_s = POOL_POLL_S if self.worker_pool.partitions else max_idle_s
        wait_s = 0.0 if self._is_behind else self._scheduler.wait_s(self._pool_capacity, max_wait_s)
        self._read_changes(self._inbox.take(wait_s) + self._subscriber_inbox.take(0.0))
        self._is_behind = next(self._subscriber_pages, False) or self._subscriber_inbox.has_unread
        lock_wait_s = self._deliver(self._scheduler.take(self._pool_capacity))
        self._submit_tasks()
        overdue_s = max(self._scheduler.overdue_s(), self._inbox.overdue_s())
        self.observer.record_heartbeat(overdue_s)
        return Iteration(self._inbox.foreign_events, lock_wait_s, overdue_s)

    def record_completed(self) -> None:
        """Record the outcomes of what the worker pool has completed; start nothing more."""
        self._deliver([])

    def _read_changes(self, event_ids: list[str]) -> None:
        if not event_ids:
            return
        with self.store.read() as view:
            prefetch_open_events(view, event_ids)
            records = {id_: find_open_event(view, id_) for id_ in sorted(set(event_ids))}
        for event_id, record in records.items():
            self._scheduler.update(event_id, record)

    def _deliver(self, partitions: list[Partition]) -> float:
        """Record what the pool has completed and run transactional work, in one transaction.

        Collects deferred tasks. Returns the seconds that it waited for the commit lock.
        """
        self._tasks.clear()
        completed = self.worker_pool.completed()
        if not partitions and not completed:
            return 0.0
        self._scheduler.begin(partitions)
        self._undelayed.clear()
        began = monotonic()

        def deliver(tx: Transaction) -> tuple[set[str], float]:
            started = monotonic()
            uow = UnitOfWork(tx)
            self._prefetch(uow, partitions, completed)
            taken = self._restart(uow, completed)
            for each in completed:
                with trace.attached(each.delivery.span):
                    self._resume(uow, each)
            self._run_ready(uow, taken, started + BATCH_MAX_OPEN_S)
            return uow.flush(), started - began

        changed, lock_wait_s = self.store.run_in_transaction(deliver, in_turn=True)
        self._inbox.expect_own(changed)
        self.worker_pool.acknowledge()
        for delivery, outcome in self._recorder.outcomes:
            log_outcome(delivery, outcome)
            self.observer.record_attempt(delivery, outcome)
        return lock_wait_s

    def _restart(self, uow: UnitOfWork, completed: list[Completed]) -> list[Partition]:
        """Undo what an undone run of the transaction has done here; returns what is to run."""
        self._tasks.clear()
        self._recorder.outcomes.clear()
        self._delayed.update(self._undelayed)
        self._undelayed.clear()
        return self._scheduler.restart([each.delivery.partition for each in completed], uow.get)

    def _prefetch(
        self, uow: UnitOfWork, partitions: list[Partition], completed: Iterable[Completed] = ()
    ) -> None:
        """Have what the next deliveries of these partitions and `_restart` read at hand."""
        heads = [self._scheduler.head(each) for each in partitions]
        ended = [each.delivery for each in completed]
        prefetch_open_events(
            uow.tx, [*heads, *(each.event.id for each in ended), *self._scheduler.updated]
        )
        replies = [each.event.id for each in ended if isinstance(each.handler, RequestReplyHandler)]
        uow.prefetch([*heads, *replies], self.registry.documents_of)

    def _submit_tasks(self) -> None:
        if self._tasks:
            # a side effect cannot be undone: its cause must be durable, and no other process do it
            self.store.make_durable()
            self._renew_lease()
        together: defaultdict[Finish, list[DeferredTask]] = defaultdict(list)
        for task in self._tasks:
            handler = task.delivery.handler
            if isinstance(handler, SideEffectHandler) and handler.finish:
                together[handler.finish].append(task)
            else:
                self.worker_pool.submit(*task)
        for finish, tasks in together.items():
            self.worker_pool.submit_together(tasks, finish)

    def _renew_lease(self) -> None:
        """Raise Unavailable when others may deliver what this loop has scheduled."""
        if not self.shards <= self.store.lease_shards(self.shards):
            raise Unavailable("the lease ended before it was renewed")

    def _run_ready(self, uow: UnitOfWork, partitions: list[Partition], until: float) -> None:
        """Run these partitions, then those that have become ready, until the time is up.

        After that, one more pass is for the handlers of events that were emitted here: most of
        these events are then written once, with the outcomes, and not again in a later transaction.
        """
        self._run_partitions(uow, partitions)
        while monotonic() < until:
            partitions = self._scheduler.take(self._capacity())
            if not partitions:
                return
            self._run_partitions(uow, partitions)
        wanted, capacity = uow.handlers_of_emitted(), self._capacity()
        last = self._scheduler.take(lambda name: capacity(name) if name in wanted else 0)
        self._run_partitions(uow, last)

    def _run_partitions(self, uow: UnitOfWork, partitions: list[Partition]) -> None:
        self._prefetch(uow, partitions)
        for delivery in [self._next_delivery(uow, partition) for partition in partitions]:
            if delivery:
                self._renew_lease()  # a transaction that is repeated may take longer than it lasts
                with trace.attached(delivery.span):
                    self._run(uow, delivery)

    def _pool_capacity(self, handler: str) -> int:
        """The worker pool's capacity.

        No subscriber starts while events that only they wait for are unread: one of them may be
        earlier than another of its order that is known.
        """
        is_held = self._is_behind and is_subscriber(handler)
        return 0 if is_held else self.worker_pool.capacity(handler)

    def _capacity(self) -> Capacity:
        """The worker pool's capacity, less the tasks that will be submitted after the commit.

        Subscribers wait for the next iteration.
        """
        deferred = Counter(task.delivery.partition.handler for task in self._tasks)
        pool = self.worker_pool.capacity
        return lambda name: 0 if is_subscriber(name) else pool(name) - deferred[name]

    def _next_delivery(self, uow: UnitOfWork, partition: Partition) -> Delivery | None:
        """The delivery at the head of a taken partition; None if it is done, gone or delayed.

        A fan-out is done at once: later iterations start the deliveries.
        """
        if self._scheduler.is_before_fan_out(partition):
            self._scheduler.postpone(partition, POOL_POLL_S)
            return None
        event_id = self._scheduler.head(partition)
        record = uow.get(event_id)
        if record and partition.handler == FAN_OUT:
            fan_out(record)
            uow.mark_changed(record)
        if (
            record is None
            or partition.handler == FAN_OUT
            or record["deliveries"][partition.handler]["state"] != PENDING
        ):
            self._scheduler.release(partition, event_id, record)
            return None
        event = uow.envelope(event_id)
        if self._is_delayed(uow.tx, partition, event):
            return None
        return next_attempt(self.registry, event, partition.handler, record)

    def _is_delayed(self, tx: Transaction, partition: Partition, event: Envelope) -> bool:
        """Whether a fault switch delays the delivery, once for each attempt, or it is paused."""
        if not self.with_faults:
            return False
        handler = partition.handler
        delay_s = faults.injected_delay_s(tx, handler, event) or pace.delay_s(tx)
        if delay_s and partition not in self._delayed:
            self._delayed.add(partition)
            self._scheduler.postpone(partition, delay_s)
            return True
        if not pace.may_run(tx, event.id, handler):
            self._scheduler.postpone(partition, pace.POLL_S)
            return True
        if partition in self._delayed:
            self._delayed.discard(partition)
            self._undelayed.append(partition)
        return False

    def _resume(self, uow: UnitOfWork, completed: Completed) -> None:
        """Go on after the work in the pool: handle a reply, or record the outcome."""
        delivery, (value, error) = completed
        record = uow.get(delivery.event.id)
        is_reply = isinstance(delivery.handler, RequestReplyHandler) and error is None
        if is_reply and record and delivery.is_open(record):
            self._run(uow, delivery, value)
        else:
            self._end(uow, delivery, error, value)

    def _run(self, uow: UnitOfWork, delivery: Delivery, reply: Any = None) -> None:
        """Run the part of a handler that belongs in the transaction.

        Without a deferred task the delivery has ended, and its outcome is recorded.
        """
        handler, last = delivery.handler, uow.newest_event_id(delivery.event.subject)
        task, error = call(partial(self._run_handler, uow.tx, delivery, reply))
        if task:
            self._tasks.append(DeferredTask(delivery, task))
        else:
            reached_peer = reply is not None or isinstance(handler, TransactionalHandler)
            self._end(uow, delivery, error, reached_peer=reached_peer)
        if error is None and not isinstance(handler, SideEffectHandler):
            for event_id, record in uow.events_after(delivery.event, last):
                self._scheduler.update(event_id, record)

    def _run_handler(
        self, tx: Transaction, delivery: Delivery, reply: Any
    ) -> Callable[[], Any] | None:
        """Call the handler; returns the work that is left for the pool, if any."""
        handler, event = delivery.handler, delivery.event
        if isinstance(handler, SideEffectHandler):
            return partial(self._run_side_effect, handler, event, handler.prepare(tx, event))
        if self.with_faults and reply is None:
            faults.inject_fault(tx, handler.name, event)
        with tx.savepoint():
            if not isinstance(handler, RequestReplyHandler):
                handler.run(tx, event)
                return None
            request = handler.next_request(tx, event, reply)
        return None if request is None else partial(handler.send, request)

    def _run_side_effect(self, handler: SideEffectHandler, event: Envelope, prepared: Any) -> Any:
        if self.with_faults:
            faults.inject_fault_outside(self.store, handler.name, event)
        return handler.run(prepared)

    def _end(
        self,
        uow: UnitOfWork,
        delivery: Delivery,
        error: BaseException | None,
        value: Any = None,
        *,
        reached_peer: bool = True,
    ) -> None:
        """Record the outcome of a delivery, and release its partition."""
        record = self._recorder.record(uow, delivery, error, value, reached_peer=reached_peer)
        self._scheduler.release(delivery.partition, delivery.event.id, record)
