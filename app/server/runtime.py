"""What lives in one process: the store and, where it delivers, its checkpointer and dispatcher.

Nothing is opened before it is needed, so a server may import the application, fork its workers and
only then have each of them open the store. A `Runtime` is the Store that the routes are given.
"""

import gc
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from app.config import Config
from app.events.dispatch.dispatcher import Dispatcher
from app.orders.currency import pin_currency
from app.server.migrations import MIGRATIONS, SCHEMA
from app.store import ChangeFeed, Collection, Store, Transaction, View
from app.store.files.checkpointer import Checkpointer
from app.store.files.follower import Follower
from app.store.files.store import JsonFileStore
from app.store.files.tools.migrate import migrate
from app.store.observer import NULL_OBSERVER, Observer

log = logging.getLogger(__name__)

GARBAGE = 20_000
"""So many new objects before the collector looks for cycles: requests hardly make any."""


class Runtime:
    """See app.store.Store; every method opens the store first, and raises what that raises."""

    def __init__(
        self,
        config: Config,
        collections: Iterable[Collection],
        dispatcher: Callable[[Store], Dispatcher],
        observer: Observer = NULL_OBSERVER,
        *,
        delivers: bool = True,
    ) -> None:
        """Without `delivers`, it is another process that delivers and writes checkpoints."""
        self.config = config
        self._delivers = delivers
        self._observer = observer
        self.collections = tuple(collections)
        self._make_dispatcher = dispatcher
        self._opening = threading.Lock()
        self._has_started = False
        self._store: JsonFileStore | None = None
        self._keeper: Checkpointer | Follower | None = None
        self._dispatcher: Dispatcher | None = None
        self.stopping = threading.Event()
        """Set when the process is about to end, for whoever would otherwise hold that up."""

    def open(self) -> JsonFileStore:
        """The store of this process."""
        if self._store is None:
            with self._opening:
                if self._store is None:
                    self.upgrade()
                    store = JsonFileStore(
                        self.config.data,
                        self.collections,
                        lock_timeout_s=self.config.lock_timeout,
                        observer=self._observer,
                        schema=SCHEMA,
                    )
                    try:
                        pin_currency(store, self.config.currency)
                    except BaseException:
                        store.close()
                        raise
                    self._keeper = Checkpointer(store) if self._delivers else Follower(store)
                    self._store = store
        return self._store

    def upgrade(self) -> None:
        """Bring the documents of an older Daybook up to this version; raises what that raises."""
        if upgraded := migrate(self.config.data, self.collections, MIGRATIONS):
            log.warning("%s", upgraded)

    def start(self) -> None:
        """Open the store; deliver events and write checkpoints from now until `close`."""
        if self._has_started:
            return
        store = self.open()
        with self._opening:
            if not self._has_started and self._keeper:
                gc.freeze()  # the store's indexes stay: nobody need look through them for garbage
                gc.set_threshold(GARBAGE)
                if self._delivers:
                    self._dispatcher = self._make_dispatcher(store)
                    self._dispatcher.start()
                self._keeper.start()
                self._has_started = True

    def close(self) -> None:
        """Finish running deliveries, bring the readable files up to date, let go of all locks."""
        self.stopping.set()
        with self._opening:
            if self._keeper:
                self._keeper.close()  # at once: who waits for a peer that hangs may be killed
                if self._dispatcher:
                    self._dispatcher.close()
                    self._keeper.close()  # with what has ended since
            if self._store:
                self._store.close()
            self._store = self._keeper = self._dispatcher = None
            self._has_started = False

    def read(self) -> AbstractContextManager[View]:
        """See Store.read."""
        return self.open().read()

    def transaction(self) -> AbstractContextManager[Transaction]:
        """See Store.transaction."""
        return self.open().transaction()

    def change_feed(self, collection: str) -> ChangeFeed:
        """See Store.change_feed."""
        return self.open().change_feed(collection)

    def position(self) -> int:
        """See Store.position."""
        return self.open().position()

    def make_durable(self) -> None:
        """See Store.make_durable."""
        self.open().make_durable()

    def refuse_unwritable(self) -> None:
        """See Store.refuse_unwritable."""
        self.open().refuse_unwritable()

    def lead(self, timeout_s: float) -> bool:
        """See Store.lead."""
        return self.open().lead(timeout_s)

    def has_leader(self) -> bool:
        """See Store.has_leader."""
        return self.open().has_leader()
