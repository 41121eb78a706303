"""The store and the background tasks of one process.

Importing the application and `create_app` open nothing: a server forks its workers first, and each
of them opens the store afterwards.
"""

import gc
import logging
import threading
from collections.abc import Callable, Iterable
from time import sleep
from typing import cast

from werkzeug.local import LocalProxy

from app.config import Config
from app.config.data_folder import MODEL_FOLDER, default_folder
from app.events.dispatch.dispatcher import Dispatcher
from app.orders.currency import pin_currency
from app.server.migrations import MIGRATIONS, SCHEMA
from app.store import Collection, Store
from app.store.files.checkpointer import Checkpointer
from app.store.files.follower import Follower
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.store import JsonFileStore
from app.store.files.tools.migrate import migrate
from app.store.files.tools.new_folder import begin_as_copy
from app.store.files.tools.restore import refuse_unfinished_restore
from app.store.files.wal.tail import last_lines
from app.store.observer import NULL_OBSERVER, Observer

log = logging.getLogger(__name__)

GC_THRESHOLD_OBJECTS = 20_000
"""New objects before the garbage collector looks for cycles; a request makes hardly any cycle."""


CHECKPOINT_POLL_S = 0.05
"""The wait for another process that writes a checkpoint, before the next look."""


class Runtime:
    """Opens the store, and runs the dispatcher and the checkpointer (or a follower) on it."""

    def __init__(
        self,
        config: Config,
        collections: Iterable[Collection],
        make_dispatcher: Callable[[Store], Dispatcher],
        observer: Observer = NULL_OBSERVER,
        *,
        delivers: bool = True,
    ) -> None:
        """Without `delivers`, another process delivers events and writes checkpoints."""
        self.config = config
        self.collections = tuple(collections)
        self.store = cast(Store, LocalProxy(self.open))
        """The store of this process. Each use calls `open`, which opens it at the first one."""
        self.stopping = threading.Event()
        """Set when the process is about to stop, so that long responses (event streams) end."""
        self._make_dispatcher = make_dispatcher
        self._observer = observer
        self._delivers = delivers
        self._lock = threading.Lock()
        self._has_started = False
        self._store: JsonFileStore | None = None
        self._background: Checkpointer | Follower | None = None
        self._dispatcher: Dispatcher | None = None

    def open(self) -> JsonFileStore:
        """Return the store of this process, opened and upgraded at the first call.

        Raises what JsonFileStore, `prepare` and `pin_currency` raise.
        """
        if self._store is None:
            with self._lock:
                if self._store is None:
                    self.prepare()
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
                    self._background = Checkpointer(store) if self._delivers else Follower(store)
                    self._store = store
        return self._store

    def prepare(self) -> None:
        """Begin a new shop in the default data folder; migrate the documents of an older Daybook.

        Raises what `refuse_unfinished_restore`, `begin_as_copy` and `migrate` raise.
        """
        refuse_unfinished_restore(self.config.data)
        if MODEL_FOLDER.is_dir() and self.config.data.absolute() == default_folder():
            begin_as_copy(self.config.data, MODEL_FOLDER)
        if migrated := migrate(self.config.data, self.collections, MIGRATIONS):
            log.warning("%s", migrated)

    def journal_lines(self, max_bytes: int) -> list[bytes]:
        """Return the last lines of the journal as they stand in its newest segment."""
        return last_lines(self.config.data / "journal", max_bytes)

    def file_head(self, collection: str, max_bytes: int) -> bytes:
        """Return the beginning of a collection's checkpoint file as it stands."""
        with path_of(self.config.data, collection).open("rb") as file:
            return file.read(max_bytes)

    def start(self) -> None:
        """Open the store, and start the background tasks. A second call does nothing."""
        if self._has_started:
            return
        store = self.open()
        with self._lock:
            if not self._has_started and self._background:
                gc.freeze()  # the store's indexes live as long as the process: never scan them
                gc.set_threshold(GC_THRESHOLD_OBJECTS)
                if self._delivers:
                    self._dispatcher = self._make_dispatcher(store)
                    self._dispatcher.start()
                self._background.start()
                self._has_started = True

    def checkpoint(self) -> None:
        """Bring the readable files up to date, and remove the journal's segments before this.

        Waits for other processes that write a checkpoint. Raises what Checkpointer.checkpoint does.
        """
        checkpointer = Checkpointer(self.open())
        while not checkpointer.checkpoint():
            sleep(CHECKPOINT_POLL_S)

    def close(self) -> None:
        """Finish running deliveries, write a last checkpoint, and release all locks."""
        self.stopping.set()
        with self._lock:
            if self._background:
                # before the dispatcher: a handler that hangs may have this process killed
                self._background.close()
                if self._dispatcher:
                    self._dispatcher.close()
                    self._background.close()  # a checkpoint with the outcomes recorded since
            if self._store:
                self._store.close()
                gc.unfreeze()  # its indexes can be collected now
            self._store = self._background = self._dispatcher = None
            self._has_started = False
