"""The store's contract: documents in collections, changed by transactions. Read this file first.

A *document* is a JSON object. A *collection* holds documents by key. A *transaction* changes any
number of documents in any collections, all or nothing. It is a function, so that a store can undo
it and run it again; when `run_in_transaction` returns, the changes are on disk. A *change feed*
lists the keys that changed in one collection.

    def confirm(tx: Transaction) -> None:
        order = tx.get("orders", order_id)
        tx.put("orders", order | {"status": "confirmed"})

    store.run_in_transaction(confirm)

Services depend on these protocols only. `JsonFileStore` (files/store.py) implements them with JSON
files, `PostgresStore` (postgres/store.py) with a database; the __init__.py of each folder describes
how. Both pass tests/store/contract/ as it is, and so has any other back-end to.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
Document = dict[str, Any]
IndexValue = str | int
Place = tuple[str, str]
"""A collection and a key."""

Where = Mapping[str, IndexValue | frozenset[IndexValue]] | None
"""The value that a document must have in each of some indexes; None for any document.

A set stands for any of its values.
"""


def unsorted(_document: Document) -> str:
    """The sort text of a collection whose lists are in the order of their keys."""
    return ""


SHARDS = 32
"""The parts of the deliveries that processes can hold: more than a shop has machines."""

ALL_SHARDS = frozenset(range(SHARDS))


class IssuedNumber(NamedTuple):
    """A number of a series (see Transaction.next_number), and the key of the document it names."""

    series: str
    owner: str
    number: int


@dataclass(frozen=True)
class Collection:
    """The declaration of one kind of document.

    `key` names the field that holds the key; it must be the document's first field. `sort` returns
    the text by which lists are ordered (ties by key). `indexes` maps the name of each filter to a
    function that returns the values under which a document is found. A collection that is neither
    `listed` nor indexed can only be read by key or scanned, and costs no memory.

    `check` raises Invalid for a document that breaks the rules; it is called for files that a
    person edited or copied in. `issued_numbers` returns the numbers of series in a document that
    has passed the check; a file that issues one of them twice is refused.
    """

    name: str
    key: str
    sort: Callable[[Document], str] = unsorted
    indexes: Mapping[str, Callable[[Document], Sequence[IndexValue]]] = field(default_factory=dict)
    listed: bool = False
    check: Callable[[Document], None] = lambda _document: None
    issued_numbers: Callable[[Document], Sequence[IssuedNumber]] = lambda _document: ()

    @property
    def is_indexed(self) -> bool:
        """Whether the store keeps any index of the collection in memory."""
        return self.listed or bool(self.indexes)


class Page(NamedTuple):
    """One page of a list, and the cursor of the page after it (None on the last page)."""

    documents: list[Document]
    next: str | None


class View(Protocol):
    """Read access. Every document returned is the caller's own copy."""

    def get(self, collection: str, key: str) -> Document | None:
        """The document, or None."""

    def prefetch(self, places: Iterable[Place]) -> None:
        """Have these documents, and of a view no others, at hand for a later `get`.

        On PostgreSQL one round trip reads those that are not at hand already.
        """

    def find(
        self,
        collection: str,
        where: Where = None,
        *,
        low: str = "",
        high: str | None = None,
        after: str | None = None,
        skip: int = 0,
        limit: int | None = None,
        descending: bool = False,
    ) -> Page:
        """The documents that match every filter in `where`, in the order of the collection's sort.

        `low` and `high` are inclusive bounds on the sort text; `after` is a `Page.next`. `skip`
        leaves out as many of the first documents without reading them. The cost depends on the
        page and on what is skipped, not on the collection: the filter with the fewest matches is
        read, and the others are checked. Raises ValueError for a filter that is not indexed.
        """

    def count(
        self, collection: str, where: Where = None, *, low: str = "", high: str | None = None
    ) -> int:
        """The number of documents that `find` would return.

        On files the cost with one value or none is O(log n); with more, and on PostgreSQL, it
        grows with the number of matches of the rarest filter. Raises ValueError for a filter that
        is not indexed.
        """

    def count_values(self, collection: str, index: str) -> dict[IndexValue, int]:
        """The number of documents under each value of an index that has any, in no order.

        On files the cost grows with the number of values, on PostgreSQL with that of documents.
        Raises ValueError for an index that the collection does not have.
        """

    def keys(self, collection: str) -> Iterator[str]:
        """Every key, in no particular order; consume it in the block. Reads every document."""

    def scan(self, collection: str, after: str, limit: int) -> list[Document]:
        """At most `limit` documents whose keys are greater than `after`, ordered by key.

        Files order keys by their JSON text, PostgreSQL by the text itself; ids come in one order.
        Works for every collection, with or without indexes. The cost depends on the page and on
        what was written since the last checkpoint, not on the collection.
        """

    def last_number(self, series: str) -> int:
        """The last number that was issued in a series (see Transaction.next_number); 0 if none."""


class Contents(NamedTuple):
    """Everything that a store holds as of one moment, to copy it into another store.

    `numbers` has the last number issued in each series; `last_id` is not below any id issued, and
    "" where there is none. `position` is Store.position.
    """

    view: View
    numbers: dict[str, int]
    last_id: str
    position: int


class Transaction(View, Protocol):
    """Write access. Reads see the changes made so far."""

    def put(self, collection: str, document: Document) -> None:
        """Create or replace. It is serialised at once; later changes to `document` don't count.

        Raises ValueError or TypeError for what cannot be stored: a key that is not the first field
        or not a text, a value that is not JSON. Errors of the collection's functions pass through.
        """

    def delete(self, collection: str, key: str) -> None:
        """Remove; nothing happens when there is none."""

    def new_id(self) -> str:
        """A UUIDv7 (RFC 9562) greater than every id of the transactions whose changes it sees."""

    def next_number(self, series: str, first: int = 1, *, has_gaps: bool = False) -> int:
        """The next number of a series: without gap or repeat among committed transactions.

        With `has_gaps`, which a series has always or never, the number of a transaction that raises
        may stay unused; then transactions need not wait for each other to number something.
        """

    def savepoint(self) -> AbstractContextManager[None]:
        """A block whose changes are undone when it raises; the error goes on to the caller."""


class ChangeFeed(Protocol):
    """The keys that changed in some collections, by any process, each once, in commit order.

    Transactions that ran at the same time may come in either order.
    """

    def take(self, timeout_s: float) -> list[str]:
        """The keys changed since the last take; waits up to `timeout_s` when there are none."""

    def wake(self) -> None:
        """End the current or next wait in `take` at once."""


class Store(Protocol):
    """The whole store. Safe for threads; open it in each process after a fork, never before."""

    def read(self) -> AbstractContextManager[View]:
        """A consistent view of the latest commits. Keep the block short: it blocks writers."""

    def contents(self) -> AbstractContextManager[Contents]:
        """Everything, to be read in the block, which may take as long as it needs.

        For commands: on files the block blocks the writers of this process.
        """

    def run_in_transaction(self, work: Callable[[Transaction], T], *, in_turn: bool = False) -> T:
        """Run `work` in a transaction and return its result; on return its changes are durable.

        With `in_turn` it waits until no other such transaction runs: for large ones, which would
        conflict with each other. On files every transaction waits for the others.

        `work` may run more than once: a store may undo it and repeat it after a conflict with
        another transaction. So it must have no effect but through the transaction: no mail, no
        log line, no change of a variable or an object that was there before.

        Raises Unavailable when the lock is not acquired in time or the disk fails (the outcome is
        then unknown, but never half), StorageFull when there is no room (nothing was changed). An
        exception in `work` undoes everything and goes on to the caller. `work` must not call this
        method: such a call is refused with Unavailable.
        """

    def change_feed(self, *collections: str) -> ChangeFeed:
        """A feed of the changes from now on, in any of these collections."""

    def position(self) -> int:
        """A number that grows with every change: the same in every process, and after a restart.

        If it is the same before a read and at a later moment, nothing has changed in between.
        """

    def id_horizon(self) -> str:
        """A text that no id issued by a running or later transaction is below.

        So a view that is opened afterwards has every document with a lower new_id that there will
        ever be, and what was read up to there need not be read again.
        """

    def make_durable(self) -> None:
        """Wait until everything that a view has shown is on disk. Raises Unavailable."""

    def refuse_unwritable(self) -> None:
        """Raise StorageFull, Unavailable or Damaged while nothing can be written.

        Does all that a transaction does before it writes, and answers within a second. Writes
        nothing, unless the last transaction failed: then it writes a probe file.
        """

    def lease_shards(
        self, busy: Set[int] = frozenset(), *, timeout_s: float = 0.0
    ) -> frozenset[int]:
        """The shards that this process holds now, waiting up to `timeout_s` for the first one.

        No two processes hold the same one. A process that delivers calls this again and again: it
        then acquires and releases shards, so that all such processes have about as many. It keeps
        those in `busy`. What it holds is free again when it calls `close`, or has not called this
        for some seconds. On files one process has all shards until it closes, or a person removes
        the lock file.
        """

    def are_shards_leased(self) -> bool:
        """Whether some process, this one included, holds each shard now.

        Raises Unavailable where that cannot be found out within a second.
        """

    def standby_lags(self) -> list[int]:
        """The bytes of the log that each standby does not have on its disk yet.

        Empty where there is no standby, as on files, or where the store may not read this.
        """

    def close(self) -> None:
        """Release all locks and files."""
