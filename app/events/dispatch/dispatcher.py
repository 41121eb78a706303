"""Delivers events to handlers, after the answer was given and never before.

Of all the dispatchers on a data folder one leads, and works. It learns of events from the
store's feed alone, whoever emitted them and whenever: so what a crash left behind, what another
process emitted and what an operator replays all come the same way.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from app.events.dispatch.backpressure import Throttle
from app.events.dispatch.jobs import ScheduledJob
from app.events.dispatch.loop import DeliveryLoop
from app.events.dispatch.observer import NULL_OBSERVER, Observer
from app.events.dispatch.outcome import described, place_of
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.worker_pool import WorkerPool
from app.events.outbox import OUTBOX
from app.events.registry import HandlerRegistry
from app.kernel.errors import Unavailable
from app.store import ChangeFeed, Store

log = logging.getLogger(__name__)

LEAD_POLL_S = 0.25
TROUBLE_PAUSE_S = 0.5


class Dispatcher:
    """Delivers events while it leads. `start` it, and `close` it."""

    def __init__(
        self,
        store: Store,
        signals: HandlerRegistry,
        policy: RetryPolicy,
        *,
        daily: Sequence[ScheduledJob] = (),
        with_faults: bool = False,
        observer: Observer = NULL_OBSERVER,
    ) -> None:
        """Raises LookupError when an event type names a handler that is not connected."""
        signals.refuse_gaps()
        self._store = store
        self._signals = signals
        self._policy = policy
        self._daily = daily
        self._with_faults = with_faults
        self._observer = observer
        self._feed: ChangeFeed | None = None
        self._worker_pool = WorkerPool()
        self._trouble = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin to lead as soon as nobody else does, and deliver."""
        self._thread.start()

    def close(self) -> None:
        """Finish what is running, put it on record, and stop."""
        self._stop.set()
        if self._feed:
            self._feed.wake()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._guarded(self._lead_and_deliver)
        self._worker_pool.close()
        self._guarded(self._finish)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do `work`; when that fails, say so and pause. Nothing may end the deliveries for good."""
        try:
            work()
        except Unavailable as error:
            self._pause(f"deliveries are held up: {described(error)}")
        except Exception as error:  # noqa: BLE001  (a defect of ours)
            self._pause(f"deliveries met a defect: {described(error)}{place_of(error)}")

    def _lead_and_deliver(self) -> None:
        """One round: from what the outbox holds now until `close`, or until the store fails.

        It ends as well where somebody took the lead by removing the lock's file.
        """
        if not self._store.lead(timeout_s=LEAD_POLL_S):
            return
        work = self._round()
        work.begin()
        courtesy = Throttle()
        while not self._stop.is_set() and self._store.lead(timeout_s=0):
            step = work.step()
            self._trouble = ""
            self._stop.wait(courtesy.rest_s(*step))
            for each in self._daily:
                self._guarded(partial(each.run_if_due, self._store))

    def _finish(self) -> None:
        if self._worker_pool.partitions:
            self._round().finish()

    def _round(self) -> DeliveryLoop:
        self._feed = self._feed or self._store.change_feed(OUTBOX.name)
        return DeliveryLoop(
            self._store,
            self._signals,
            self._policy,
            self._feed,
            self._worker_pool,
            with_faults=self._with_faults,
            observer=self._observer,
        )

    def _pause(self, trouble: str) -> None:
        """Log trouble, once for as long as it stays the same, and give it time to pass."""
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("%s", trouble)
        self._stop.wait(TROUBLE_PAUSE_S)
