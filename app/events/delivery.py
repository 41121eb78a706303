"""The dispatcher's work while it leads: which delivery runs now, and what came of it.

Handlers that work inside the store run in batches, a batch to a transaction, each behind its own
savepoint. Handlers with effects outside run in threads, and their outcomes are recorded in batches.
"""

import logging
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from queue import SimpleQueue
from time import monotonic
from typing import NamedTuple

from app import clock
from app.events import failures, faults, outbox
from app.events.lanes import Lane, Lanes
from app.events.retry import Attempts, Breaker, RetryPolicy, Verdict
from app.events.signals import Handler, Inside, Signals
from app.events.types import Envelope
from app.store import Feed, Store, Transaction

log = logging.getLogger(__name__)

BATCH = 16
"""Deliveries to a transaction: few enough that a POST hardly waits for the lock."""

IDLE_S = 0.25
BUSY_S = 0.005


class Delivery(NamedTuple):
    """One event on its way to one handler."""

    lane: Lane
    handler: Handler
    event: Envelope
    attempts: Attempts

    @property
    def pair(self) -> tuple[str, str]:
        """What identifies it: (event id, handler)."""
        return self.event.id, self.lane.handler


class Outcomes:
    """Deliveries that ran outside, until what came of them is recorded."""

    def __init__(self) -> None:
        self.ended: SimpleQueue[Delivery] = SimpleQueue()
        self.judged: list[tuple[Delivery, Verdict]] = []

    def judge(self) -> int:
        """Take the verdict on those that ended since; returns how many those were."""
        count = 0
        while not self.ended.empty():
            delivery = self.ended.get()
            self.judged.append((delivery, delivery.attempts.verdict()))
            count += 1
        return count


class Round:
    """One leadership: what is ready, running, or due later. Raises Unavailable when the store does."""

    def __init__(
        self,
        store: Store,
        signals: Signals,
        policy: RetryPolicy,
        feed: Feed,
        pool: ThreadPoolExecutor,
        outcomes: Outcomes,
        breakers: dict[str, Breaker],
        *,
        with_faults: bool,
    ) -> None:
        self._store = store
        self._signals = signals
        self._policy = policy
        self._pool = pool
        self._outcomes = outcomes
        self._breakers = breakers
        self._with_faults = with_faults
        self._feed = feed
        self._lanes = Lanes()
        self._ready: deque[Lane] = deque()
        self._later: list[tuple[float, Lane]] = []
        self._busy: set[Lane] = set()
        self._running = 0
        self._attempts: dict[tuple[str, str], Attempts] = {}
        self._held_up: set[tuple[str, str]] = set()

    def begin(self) -> None:
        """Start from everything that stands in the outbox."""
        self.record_outcomes()
        with self._store.read() as view:
            waiting = view.find(outbox.OUTBOX.name).documents
        for record in waiting:
            self._wake(self._lanes.update(record["id"], record))

    def step(self) -> None:
        """Take in what changed, and deliver what is ready."""
        self._take_in(self._feed.take(self._patience_s()))
        now = monotonic()
        while self._later and self._later[0][0] <= now:
            self._free([heappop(self._later)[1]])
        self.record_outcomes()
        self._deliver([self._ready.popleft() for _ in range(min(BATCH, len(self._ready)))])

    def record_outcomes(self) -> None:
        """Record what came of the deliveries that ran outside."""
        self._running -= self._outcomes.judge()
        judged = self._outcomes.judged
        if not judged:
            return
        with self._store.transaction() as tx:
            later = [self._settle(tx, delivery, verdict) for delivery, verdict in judged]
        self._go_on([delivery for delivery, _ in judged], later)
        judged.clear()

    def _patience_s(self) -> float:
        if self._ready:
            return 0.0
        longest = BUSY_S if self._running else IDLE_S
        return max(min(longest, self._later[0][0] - monotonic()), 0.0) if self._later else longest

    def _take_in(self, event_ids: Iterable[str]) -> None:
        changed = sorted(set(event_ids))
        if not changed:
            return
        with self._store.read() as view:
            records = [(event_id, view.get(outbox.OUTBOX.name, event_id)) for event_id in changed]
        for event_id, record in records:
            self._wake(self._lanes.update(event_id, record))

    def _wake(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            if lane not in self._busy and self._lanes.head(lane):
                self._busy.add(lane)
                self._ready.append(lane)

    def _free(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            self._busy.discard(lane)
            self._wake([lane])

    def _deliver(self, lanes: Iterable[Lane]) -> None:
        """Run what works inside the store in one transaction; hand the others to the threads."""
        deliveries = [delivery for lane in lanes if (delivery := self._next(lane))]
        outside = [each for each in deliveries if not isinstance(each.handler, Inside)]
        inside = [each for each in deliveries if isinstance(each.handler, Inside)]
        if outside:
            # what a handler does out there cannot be taken back: its cause must be safe first
            self._store.make_durable()
        for delivery in outside:
            self._running += 1
            self._pool.submit(self._run_outside, delivery)
        if inside:
            with self._store.transaction() as tx:
                later = [self._run_inside(tx, delivery) for delivery in inside]
            self._go_on(inside, later)

    def _next(self, lane: Lane) -> Delivery | None:
        """The delivery at the head of a lane, unless it is gone or has to wait."""
        event_id = self._lanes.head(lane)
        with self._store.read() as view:
            record = view.get(outbox.OUTBOX.name, event_id) if event_id else None
            if record is None:
                self._busy.discard(lane)
                return None
            event = Envelope.from_cloudevent(record["event"])
            slowness_s = faults.slowness_s(view, lane.handler, event) if self._with_faults else 0.0
        pair = (event.id, lane.handler)
        delay_s = self._breaker(lane).delay_s()
        if slowness_s and pair not in self._held_up:
            self._held_up.add(pair)
            delay_s = slowness_s
        if delay_s > 0:
            heappush(self._later, (monotonic() + delay_s, lane))
            return None
        attempts = self._attempts.get(pair) or self._policy.begin()
        self._attempts[pair] = attempts
        return Delivery(lane, self._signals.handlers(event.type)[lane.handler], event, attempts)

    def _breaker(self, lane: Lane) -> Breaker:
        return self._breakers.setdefault(lane.handler, Breaker())

    def _run_inside(self, tx: Transaction, delivery: Delivery) -> float | None:
        with delivery.attempts.current:
            if self._with_faults:
                faults.strike(tx, delivery.lane.handler, delivery.event)
            with tx.savepoint():
                delivery.handler(delivery.event, tx)
        return self._settle(tx, delivery, delivery.attempts.verdict())

    def _run_outside(self, delivery: Delivery) -> None:
        with delivery.attempts.current:
            if self._with_faults:
                faults.strike_outside(self._store, delivery.lane.handler, delivery.event)
            delivery.handler(delivery.event)
        self._outcomes.ended.put(delivery)

    def _settle(self, tx: Transaction, delivery: Delivery, verdict: Verdict) -> float | None:
        """Record what came of an attempt; returns seconds until the next one, if there is one."""
        record = tx.get(outbox.OUTBOX.name, delivery.event.id)
        handler = delivery.lane.handler
        if record is None or record["deliveries"][handler]["state"] != outbox.PENDING:
            return None
        breaker = self._breaker(delivery.lane)
        breaker.record(verdict.error)
        if breaker.is_open:
            verdict = Verdict(verdict.error, breaker.delay_s())
            self._attempts.pop(delivery.pair, None)
        if verdict.again_in_s is not None:
            at = clock.ago(-verdict.again_in_s)
            outbox.record_retry(tx, record, handler, _text(verdict.error), at)
            return verdict.again_in_s
        self._attempts.pop(delivery.pair, None)
        self._held_up.discard(delivery.pair)
        if verdict.error is None:
            outbox.record_done(tx, record, handler)
            failures.forget(tx, record["id"], handler)
        else:
            outbox.record_dead(tx, record, handler, _text(verdict.error))
            failures.record(tx, record["event"], handler, _text(verdict.error))
            log.error("%s gave up on %s: %s", handler, delivery.event.type, _text(verdict.error))
        return None

    def _go_on(self, deliveries: list[Delivery], later: list[float | None]) -> None:
        """After the commit: the lanes are free again, or wait for their next attempt."""
        for delivery, again_in_s in zip(deliveries, later, strict=True):
            if again_in_s is None:
                self._busy.discard(delivery.lane)
            else:
                heappush(self._later, (monotonic() + again_in_s, delivery.lane))


def _text(error: BaseException | None) -> str:
    """The error as it is kept: its kind and its first line, cut to a readable length."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:500]
