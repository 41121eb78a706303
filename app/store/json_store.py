"""The store that keeps JSON files: locks, transactions, and keeping up with other processes.

Who may do what when (the order in which locks are taken):

    writers lock (threads) → store.lock (processes) → memory lock (readers and feeds)

A writer takes all three, appends its line, applies it to memory, lets go, and only then waits for
the disk: one fdatasync serves every line that was appended before it began (group commit, over
threads and over processes). A reader takes the memory lock alone, so reads go on whatever holds up
the writers. A reader may therefore see a change a moment before its writer is told that it is
durable; whoever acts on what it reads outside the store calls `make_durable` first.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import filelock

from app.errors import Damaged, Unavailable
from app.store import Collection, Document, Feed, Transaction, View
from app.store.chain import Chain, Overtaken
from app.store.checkpoint import CheckpointFile, Fingerprint
from app.store.files import reporting
from app.store.journal import Line, encode_transaction, segment_numbers
from app.store.opening import establish, open_folder, prepare_folder, verify
from app.store.state import Layer, State, Watch, changes_of
from app.store.transaction import COUNTERS, JsonTransaction, JsonView

LOCK_POLL_S = 0.0005
FEED_POLL_S = 0.005


class JsonFileStore:
    """See app.store.Store. `lock_timeout_s` bounds the wait for other writers, in seconds."""

    def __init__(
        self, folder: Path, collections: Iterable[Collection], *, lock_timeout_s: float = 5.0
    ) -> None:
        """Open the folder, creating what is missing.

        Raises Damaged when a file is not what the store wrote (the message says which and what to
        do), Invalid when a file that it has no record of breaks the rules, Unavailable when the
        folder cannot be used.
        """
        self.folder = folder
        self.last_append = monotonic()
        self.declared = [*collections, COUNTERS]
        self._timeout_s = lock_timeout_s
        self._writers = threading.Lock()
        self._memory = threading.RLock()
        prepare_folder(folder)
        self._lock = process_lock(folder / "store.lock", lock_timeout_s)
        self._leader = process_lock(folder / "leader.lock", 0)
        self._watches: dict[str, list[Watch]] = {each.name: [] for each in self.declared}
        with self._across_processes():
            establish(folder, self.declared)
        self._load()
        with self.writing():
            pass
        self.make_durable()

    @contextmanager
    def read(self) -> Iterator[View]:
        """See Store.read."""
        with self._memory:
            self.catch_up()
            yield JsonView(self.state)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See Store.transaction."""
        with self.writing():
            transaction = JsonTransaction(self.state, self._memory)
            yield transaction
            seq = self._commit(transaction)
        self.chain.sync(seq)

    def follow(self, collection: str) -> Feed:
        """See Store.follow."""
        watch = Watch()
        with self._memory:
            self.catch_up()
            self._watches[collection].append(watch)
        return _JsonFeed(self, watch)

    def make_durable(self) -> None:
        """See Store.make_durable."""
        self.chain.sync(self.chain.seq)

    def lead(self, timeout_s: float) -> bool:
        """See Store.lead."""
        if not self._leader.is_locked:
            try:
                self._leader.acquire(timeout=timeout_s, poll_interval=0.05)
            except filelock.Timeout:
                return False
        return True

    def has_leader(self) -> bool:
        """See Store.has_leader."""
        if self._leader.is_locked:
            return True
        probe = process_lock(self.folder / "leader.lock", 0)
        try:
            with probe.acquire():
                return False
        except filelock.Timeout:
            return True

    def close(self) -> None:
        """Let go of the leadership, the journal and the files; `Checkpointer.close` comes before."""
        self._leader.release(force=True)
        with self._memory:
            self.chain.close()
            for file in self.state.base.values():
                file.close()

    def catch_up(self) -> None:
        """Take in what other processes have appended; one fstat when there is nothing."""
        with self._memory:
            try:
                for line in self.chain.news():
                    self._take(line)
            except Overtaken:
                self._load()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The right to append: everything is caught up, and nobody else appends meanwhile."""
        if not self._writers.acquire(timeout=self._timeout_s):
            raise Unavailable("The service is busy; nothing was changed. Try again.")
        try:
            with self._across_processes():
                self._settle()
                yield
        finally:
            self._writers.release()

    def rotate(self, covers: int, files: dict[str, Fingerprint]) -> None:
        """Begin a new journal segment and a new layer; the caller is in `writing`."""
        with self._memory:
            self.chain.rotate(covers, files)
            self._new_layer()

    def has_news(self) -> bool:
        """Whether the journal has anything that the checkpoint files have not."""
        with self._memory:
            return any(documents for layer in self.state.layers for documents in layer.values())

    def frozen(
        self, through: int
    ) -> tuple[dict[str, CheckpointFile], dict[str, dict[str, bytes | None]]]:
        """The files in use, and the changes on top of them up to segment `through`."""
        changes: dict[str, dict[str, bytes | None]] = {each.name: {} for each in self.declared}
        for layer in self.state.layers:
            if layer.segment <= through:
                for name, documents in layer.items():
                    changes[name].update(documents)
        return dict(self.state.base), changes

    def use_files(self, published: int) -> None:
        """Read from the files that the newest header names; layers up to `published` are in them."""
        header = self.chain.segment.header
        with self._memory:
            replaced, self.state.base = (
                self.state.base,
                {
                    each.name: CheckpointFile(self.folder, each, header.files[each.name].documents)
                    for each in self.declared
                },
            )
            self.state.layers = [layer for layer in self.state.layers if layer.segment > published]
        for file in replaced.values():
            file.close()

    def _commit(self, transaction: JsonTransaction) -> int:
        """Append and apply; returns the sequence number to wait for (0 when nothing was changed)."""
        changes = transaction.changes()
        if not changes:
            return 0
        chain = self.chain
        put, delete = transaction.by_collection()
        with self._memory:
            chain.append(encode_transaction(chain.seq + 1, chain.durable, put, delete))
            chain.seq += 1
            self.state.apply(changes)
        self.last_append = monotonic()
        return chain.seq

    def _settle(self) -> None:
        with self._memory:
            try:
                for line in self.chain.settle():
                    self._take(line)
            except Overtaken:
                self._load()

    def _take(self, line: Line) -> None:
        if "segment" in line:
            self._new_layer()
        elif "published" in line:
            self.use_files(line["published"])
        else:
            put, delete = self._not_covered(line)
            self.state.apply(changes_of(self.state.collections, put, delete))
            self.last_append = monotonic()

    def _not_covered(self, line: Line) -> tuple[dict[str, list[Document]], dict[str, list[str]]]:
        """The line's changes, without those that a checkpoint file already has."""
        seq, covers = line["seq"], self._covers
        return (
            {name: documents for name, documents in line["put"].items() if seq > covers[name]},
            {name: keys for name, keys in line["delete"].items() if seq > covers[name]},
        )

    def _new_layer(self) -> None:
        self.state.layers.append(Layer(self.chain.segment.number, self.state.collections))

    def _load(self) -> None:
        """Read the folder from the start; again when a checkpoint replaced files meanwhile."""
        journal = self.folder / "journal"
        while True:
            numbers = segment_numbers(journal)
            try:
                opened = open_folder(self.folder, self.declared)
                self._covers = verify(opened)
                break
            except (Damaged, FileNotFoundError):
                if segment_numbers(journal) == numbers:
                    raise
        self.chain = Chain(journal, opened.segment)
        self.state = State(self.declared, self._watches)
        self.state.load(opened.base)
        self._new_layer()
        self.catch_up()
        self._note_everything()

    def _note_everything(self) -> None:
        """After a reload the feeds cannot know what changed: name every document."""
        for name, watches in self._watches.items():
            for watch in watches:
                for key in self.state.keys(name):
                    watch.note(key)

    @contextmanager
    def _across_processes(self) -> Iterator[None]:
        with reporting("taking the store's lock"):
            try:
                self._lock.acquire()
            except filelock.Timeout:
                raise Unavailable(
                    "Another process holds the store's lock; nothing was changed. Try again."
                ) from None
        try:
            yield
        finally:
            self._lock.release()


class _JsonFeed:
    """See app.store.Feed. Changes by this process wake it at once, those of others within 5 ms."""

    def __init__(self, store: JsonFileStore, watch: Watch) -> None:
        self._store = store
        self._watch = watch

    def take(self, timeout_s: float) -> list[str]:
        """See Feed.take."""
        deadline = monotonic() + timeout_s
        self._store.catch_up()
        while not self._watch.keys and (left := deadline - monotonic()) > 0:
            self._watch.something.wait(min(left, FEED_POLL_S))
            self._store.catch_up()
        self._watch.something.clear()
        return [self._watch.keys.popleft() for _ in range(len(self._watch.keys))]


def process_lock(path: Path, timeout_s: float) -> filelock.BaseFileLock:
    """A lock between processes on its own file, never deleted; native locks only."""
    return filelock.FileLock(
        path,
        timeout=timeout_s,
        mode=0o600,
        thread_local=False,
        poll_interval=LOCK_POLL_S,
        fallback_to_soft=False,
    )
