"""Delivers events to handlers, after the answer was given and never before.

Every serving process has a dispatcher; one of them leads, and works. It learns of events from the
store's feed alone, whoever emitted them and whenever: so what a crash left behind, what another
process emitted and what an operator replays all come the same way.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from app.errors import Unavailable
from app.events.delivery import Outcomes, Round
from app.events.outbox import OUTBOX
from app.events.retry import Breaker, RetryPolicy
from app.events.signals import Signals
from app.store import Feed, Store

log = logging.getLogger(__name__)

OUTSIDE_THREADS = 8
LEAD_POLL_S = 0.25
TROUBLE_PAUSE_S = 0.5


class Dispatcher:
    """Delivers events while it leads. `start` it in each serving process, and `close` it."""

    def __init__(
        self, store: Store, signals: Signals, policy: RetryPolicy, *, with_faults: bool = False
    ) -> None:
        """Raises LookupError when an event type names a handler that is not connected."""
        signals.refuse_gaps()
        self._store = store
        self._signals = signals
        self._policy = policy
        self._with_faults = with_faults
        self._outcomes = Outcomes()
        self._feed: Feed | None = None
        self._breakers: dict[str, Breaker] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin to lead as soon as nobody else does, and deliver."""
        self._thread.start()

    def close(self) -> None:
        """Finish what is running, record it, and stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self._store.lead(timeout_s=LEAD_POLL_S):
                    self._lead()
            except Unavailable as error:
                log.warning("deliveries are held up: %s", error)
                self._stop.wait(TROUBLE_PAUSE_S)

    def _lead(self) -> None:
        """Work until told to stop. When the store fails, start again from what it holds.

        What ran outside meanwhile is not forgotten: its outcomes are recorded first of all, so
        that a full disk does not send a mail twice.
        """
        self._feed = self._feed or self._store.follow(OUTBOX.name)
        with ThreadPoolExecutor(OUTSIDE_THREADS, "handler") as pool:
            work = Round(
                self._store,
                self._signals,
                self._policy,
                self._feed,
                pool,
                self._outcomes,
                self._breakers,
                with_faults=self._with_faults,
            )
            work.begin()
            while not self._stop.is_set():
                work.step()
        work.record_outcomes()
