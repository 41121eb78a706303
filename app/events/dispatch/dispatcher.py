"""The dispatcher: a thread that delivers the events of the shards that this process has leased.

On files one process has all shards; on PostgreSQL every process that delivers has its share. It
learns of events from the store's change feed alone: what a crash left in the outbox, what another
process emits and what an operator replays all arrive the same way. An event is delivered after its
transaction is durable, so after the response.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from app.events.dispatch.backpressure import Throttle
from app.events.dispatch.jobs import RETRY_S, Job
from app.events.dispatch.loop import IDLE_POLL_S, DeliveryLoop
from app.events.dispatch.observer import NULL_OBSERVER, Observer
from app.events.dispatch.outcome import describe_error, location_of
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.worker_pool import WorkerPool
from app.events.outbox import OUTBOX
from app.events.registry import HandlerRegistry
from app.kernel.errors import Unavailable
from app.store import ALL_SHARDS, ChangeFeed, Store
from app.system.repeated_warning import RepeatedWarning

log = logging.getLogger(__name__)

LEASE_WAIT_S = 0.25
"""How long one attempt to lease shards waits for the first one."""

JOBS_SHARD = 0
"""Its holder runs the jobs."""

ERROR_PAUSE_S = 0.5
"""Pause after an error, before the next attempt."""

JOB_PAUSE_S = 0.01
"""Longest wait for a change between two parts of a job: others take the commit lock meanwhile."""


class Dispatcher:
    """Delivers the events of leased shards, from `start` to `close`."""

    def __init__(
        self,
        store: Store,
        registry: HandlerRegistry,
        policy: RetryPolicy,
        *,
        observer: Observer = NULL_OBSERVER,
        jobs: Sequence[Job] = (),
        with_faults: bool = False,
    ) -> None:
        """Raises LookupError when an event type names a handler that is not connected."""
        registry.check_complete()
        self._store = store
        self._jobs = jobs
        self._feed: ChangeFeed | None = None
        self._worker_pool = WorkerPool()
        self._make_loop = partial(
            DeliveryLoop,
            store,
            registry,
            policy,
            worker_pool=self._worker_pool,
            observer=observer,
            with_faults=with_faults,
        )
        self._warning = RepeatedWarning(log)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Start the thread: it waits until it has leased shards, then delivers."""
        self._thread.start()

    def close(self) -> None:
        """Stop: finish the deliveries that are running, and record their outcomes."""
        self._stop.set()
        if self._feed:
            self._feed.wake()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._guarded(self._deliver_leased)
        self._worker_pool.close()
        self._guarded(self._record_completed)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do `work`; log an error and pause. No error may end the thread."""
        try:
            work()
        except Unavailable as error:
            self._pause(f"deliveries are held up: {describe_error(error)}")
        except Exception as error:  # noqa: BLE001  (a defect of ours)
            self._pause(f"deliveries met a defect: {describe_error(error)}{location_of(error)}")

    def _deliver_leased(self) -> None:
        """Run one delivery loop until `close`, a change of the leased shards or an error."""
        shards = self._lease(LEASE_WAIT_S)
        if not shards:
            return
        loop = self._loop(shards)
        loop.load_outbox()
        jobs = self._jobs if JOBS_SHARD in shards else ()
        throttle, max_idle_s = Throttle(), IDLE_POLL_S
        while not self._stop.is_set() and self._lease() == shards:
            iteration = loop.run_once(max_idle_s)
            self._warning.clear()
            self._stop.wait(throttle.pause_s(*iteration))
            has_more = [self._run_if_due(job) for job in jobs]
            max_idle_s = JOB_PAUSE_S if any(has_more) else IDLE_POLL_S

    def _lease(self, timeout_s: float = 0.0) -> frozenset[int]:
        """Renew the lease; returns the shards that this process holds.

        It keeps those with deliveries under way, so no other process starts the next ones.
        """
        busy = {partition.shard for partition in self._worker_pool.partitions}
        return self._store.lease_shards(busy, timeout_s=timeout_s)

    def _run_if_due(self, job: Job) -> bool:
        """Run a part of a job; returns whether another one follows.

        Logs an error. It delays no delivery: a job waits by itself after a failure.
        """
        try:
            return job.run_if_due(self._store)
        except Exception as error:  # noqa: BLE001  (a defect of ours, or the store failed)
            text = f"{describe_error(error)}{location_of(error)}"
            log.warning("job %s failed; it runs again in %d s: %s", job.name, RETRY_S, text)
            return False

    def _record_completed(self) -> None:
        if self._worker_pool.partitions:
            self._loop(ALL_SHARDS).record_completed()

    def _loop(self, shards: frozenset[int]) -> DeliveryLoop:
        self._feed = self._feed or self._store.change_feed(OUTBOX.name)
        return self._make_loop(feed=self._feed, shards=shards)

    def _pause(self, error: str) -> None:
        """Log an error once while it stays the same, and wait before the next attempt."""
        self._warning.warn(error)
        self._stop.wait(ERROR_PAUSE_S)
