"""The store and the background tasks of one process.

With the store on PostgreSQL there is neither checkpointer nor follower, and what works on the files
of a data folder is refused.

Importing the application and `create_app` open nothing: a server forks its workers first, and each
of them opens the store afterwards.
"""

import gc
import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from time import sleep
from typing import cast

from werkzeug.local import LocalProxy

from app.config import Config
from app.config.data_folder import MODEL_FOLDER, default_folder
from app.config.readers import FILES
from app.events.dispatch.dispatcher import Dispatcher
from app.kernel.errors import NotFound
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

SPARE_CONNECTIONS = 8
"""Connections to PostgreSQL besides one for each thread of requests: deliveries, and streams."""

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
        close_gateway: Callable[[], None] = lambda: None,
    ) -> None:
        """Without `delivers`, another process delivers events and writes checkpoints.

        `close_gateway` is called when no delivery runs any more.
        """
        self.config = config
        self.collections = tuple(collections)
        self.store = cast(Store, LocalProxy(self.open))
        """The store of this process. Each use calls `open`, which opens it at the first one."""
        self.stopping = threading.Event()
        """Set when the process is about to stop, so that long responses (event streams) end."""
        self._make_dispatcher = make_dispatcher
        self._observer = observer
        self._delivers = delivers
        self._close_gateway = close_gateway
        self._lock = threading.Lock()
        self._has_started = False
        self._store: Store | None = None
        self._background: Checkpointer | Follower | None = None
        self._dispatcher: Dispatcher | None = None

    @property
    def has_files(self) -> bool:
        """Whether the store is on files."""
        return self.config.store == FILES

    @property
    def data_folder(self) -> Path:
        """The folder that the store's files are in. Raises NotFound on PostgreSQL."""
        self._require_files()
        return self.config.data

    def open(self) -> Store:
        """Return the store of this process, opened and upgraded at the first call.

        Raises what the store, `prepare` and `pin_currency` raise.
        """
        if self._store is None:
            with self._lock:
                if self._store is None:
                    self.prepare()
                    store = self._open_files() if self.has_files else self._open_database()
                    try:
                        pin_currency(store, self.config.currency)
                    except BaseException:
                        store.close()
                        raise
                    if isinstance(store, JsonFileStore):
                        background = Checkpointer if self._delivers else Follower
                        self._background = background(store)
                    self._store = store
        return self._store

    def open_files(self) -> JsonFileStore:
        """Return the store as `open` does. Raises NotFound on PostgreSQL."""
        self._require_files()
        return cast(JsonFileStore, self.open())

    def prepare(self) -> None:
        """Begin a new shop in the default data folder; migrate the documents of an older Daybook.

        Raises what `refuse_unfinished_restore`, `begin_as_copy` and `migrate` raise. On PostgreSQL
        the store begins a shop, and migrates, when it is opened.
        """
        refuse_unfinished_restore(self.config.data)
        if not self.has_files:
            self.config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        if MODEL_FOLDER.is_dir() and self.config.data.absolute() == default_folder():
            begin_as_copy(self.config.data, MODEL_FOLDER)
        if migrated := migrate(self.config.data, self.collections, MIGRATIONS):
            log.warning("%s", migrated)

    def journal_lines(self, max_bytes: int) -> list[bytes]:
        """Return the last lines of the journal as they stand in its newest segment.

        Raises NotFound on PostgreSQL.
        """
        return last_lines(self.data_folder / "journal", max_bytes)

    def file_head(self, collection: str, max_bytes: int) -> bytes:
        """Return the beginning of a collection's checkpoint file as it stands.

        Raises NotFound on PostgreSQL.
        """
        with path_of(self.data_folder, collection).open("rb") as file:
            return file.read(max_bytes)

    def start(self) -> None:
        """Open the store, and start the background tasks. A second call does nothing."""
        if self._has_started:
            return
        store = self.open()
        with self._lock:
            if not self._has_started:
                gc.freeze()  # the store's indexes live as long as the process: never scan them
                gc.set_threshold(GC_THRESHOLD_OBJECTS)
                if self._delivers:
                    self._dispatcher = self._make_dispatcher(store)
                    self._dispatcher.start()
                if self._background:
                    self._background.start()
                self._has_started = True

    def checkpoint(self) -> None:
        """Bring the readable files up to date, and remove the journal's segments before this.

        Waits for other processes that write a checkpoint. Raises what Checkpointer.checkpoint does.
        Does nothing on PostgreSQL.
        """
        store = self.open()
        if isinstance(store, JsonFileStore):
            checkpointer = Checkpointer(store)
            while not checkpointer.checkpoint():
                sleep(CHECKPOINT_POLL_S)

    def close(self) -> None:
        """Finish running deliveries, write a last checkpoint, and release all locks and files."""
        self.stopping.set()
        with self._lock:
            if self._background:
                # before the dispatcher: a handler that hangs may have this process killed
                self._background.close()
            if self._dispatcher:
                self._dispatcher.close()
                if self._background:
                    self._background.close()  # a checkpoint with the outcomes recorded since
            self._close_gateway()
            if self._store:
                self._store.close()
                gc.unfreeze()  # its indexes can be collected now
            self._store = self._background = self._dispatcher = None
            self._has_started = False

    def _require_files(self) -> None:
        if not self.has_files:
            raise NotFound(
                "This works on the files of a data folder, and this shop is on PostgreSQL "
                "(DAYBOOK_STORE)."
            )

    def _open_files(self) -> Store:
        return JsonFileStore(
            self.config.data,
            self.collections,
            lock_timeout_s=self.config.lock_timeout,
            observer=self._observer,
            schema=SCHEMA,
        )

    def _open_database(self) -> Store:
        from app.store.postgres.store import PostgresStore  # slow, and a shop on files needs none

        return PostgresStore(
            self.config.store,
            self.collections,
            lock_timeout_s=self.config.lock_timeout,
            pool_size=self.config.threads + SPARE_CONNECTIONS,
            observer=self._observer,
            schema=SCHEMA,
            migrations=MIGRATIONS,
        )
