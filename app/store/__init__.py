"""The store: documents in collections, changed by transactions. Read this file first.

A *document* is a JSON object. A *collection* holds documents by key. A *transaction* changes any
number of documents in any collections, all or nothing; when its `with` block has ended, the
changes are on disk. A *feed* tells which documents of a collection changed.

    with store.transaction() as tx:
        order = tx.get("orders", order_id)
        tx.put("orders", order | {"status": "confirmed"})

Services know these protocols only. `JsonFileStore` (json_store.py) is the one that keeps files;
another back-end has to pass tests/store/ as it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

Document = dict[str, Any]
IndexValue = str | int


def unsorted(_document: Document) -> str:
    """The sort of a collection whose lists are in the order of their keys."""
    return ""


def _valid(_document: Document) -> None:
    return None


class IssuedNumber(NamedTuple):
    """A number of a series (see Transaction.next_number), and the key of what it was given to."""

    series: str
    owner: str
    number: int


def _gives_none(_document: Document) -> Sequence[IssuedNumber]:
    return ()


@dataclass(frozen=True)
class Collection:
    """What the store has to know of one kind of document.

    `key` names the field that holds the key; it must be the document's first field. `sort` gives
    the text by which lists are ordered (ties by key). `indexes` gives for each filter the values
    under which a document is found; a collection without indexes can only be read by key or
    scanned, and costs no memory. `check` raises Invalid for a document that breaks the rules; it
    judges files that a person edited or brought from elsewhere. `given` names the numbers that
    stand in a document that has passed: no such file may give one to something else, or again.
    """

    name: str
    key: str
    sort: Callable[[Document], str] = unsorted
    indexes: Mapping[str, Callable[[Document], Sequence[IndexValue]]] = field(default_factory=dict)
    listed: bool = False
    check: Callable[[Document], None] = _valid
    given: Callable[[Document], Sequence[IssuedNumber]] = _gives_none


class Page(NamedTuple):
    """One page of a list, and the cursor of the page after it (None when this is the last)."""

    documents: list[Document]
    next: str | None


class View(Protocol):
    """What can be read. Every document returned is the caller's own copy."""

    def get(self, collection: str, key: str) -> Document | None:
        """The document, or None."""

    def find(
        self,
        collection: str,
        where: Mapping[str, IndexValue] | None = None,
        *,
        low: str = "",
        high: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        descending: bool = False,
    ) -> Page:
        """The documents that match every filter in `where`, in the order of the collection's sort.

        `low` and `high` are inclusive bounds on the sort text; `after` is a `Page.next`. The cost
        depends on the page, not on the collection (a filter that few documents match leads).
        """

    def count(
        self,
        collection: str,
        where: Mapping[str, IndexValue] | None = None,
        *,
        low: str = "",
        high: str | None = None,
    ) -> int:
        """How many documents match every filter, or are in a listed collection at all.

        `low` and `high` are bounds as for `find`. One filter or none costs next to nothing; more
        cost as much as the rarest matches.
        """

    def keys(self, collection: str) -> Iterator[str]:
        """Every key, in no promised order, to be used up inside the block. Costs the collection."""

    def scan(self, collection: str, after: str, limit: int) -> list[Document]:
        """At most `limit` documents whose keys are above `after`, in the order of their keys.

        Any collection can be scanned, also one without indexes. The cost depends on the page, and
        on what was written lately; not on the collection.
        """


class Transaction(View, Protocol):
    """What can be changed. Reads see the changes made so far."""

    def put(self, collection: str, document: Document) -> None:
        """Create or replace. It is serialised at once; later changes to `document` don't count.

        Raises ValueError or TypeError for what cannot be kept: a key that is not the first field or
        not a text, a value that is not JSON. What the collection's functions raise goes through.
        """

    def delete(self, collection: str, key: str) -> None:
        """Remove; nothing happens when there is none."""

    def new_id(self) -> str:
        """A UUIDv7 (RFC 9562) greater than every id that a committed transaction was given."""

    def next_number(self, series: str, first: int = 1) -> int:
        """The next number of a series: without gap or repeat among committed transactions."""

    def savepoint(self) -> AbstractContextManager[None]:
        """A block whose changes are undone when it raises; the error goes on to the caller."""


class ChangeFeed(Protocol):
    """The keys that changed in one collection, by any process, each once, in commit order."""

    def take(self, timeout_s: float) -> list[str]:
        """The keys changed since the last take; waits up to `timeout_s` when there are none."""

    def wake(self) -> None:
        """Have whoever waits in `take` go on, or the next one not wait."""


class Store(Protocol):
    """The whole of it. Safe for threads; open it in each process after a fork, never before."""

    def read(self) -> AbstractContextManager[View]:
        """A consistent view of the latest commits. Keep the block short: it holds up writers."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A transaction; one runs at a time over all processes. On return it is durable.

        Raises Unavailable when the lock cannot be had in time or the disk fails (the outcome is
        then unknown, but never half), StorageFull when there is no room (nothing was changed).
        An exception in the block undoes everything and goes on to the caller.
        """

    def follow(self, collection: str) -> ChangeFeed:
        """A feed of the changes from now on."""

    def position(self) -> int:
        """A number that grows with every change: the same in every process, and after a restart.

        Whoever asks before it reads can ask later whether what it read may have changed since.
        """

    def make_durable(self) -> None:
        """Return when everything that a view has shown is on disk; raises Unavailable else."""

    def refuse_unwritable(self) -> None:
        """Raise StorageFull, Unavailable or Damaged while nothing can be written.

        It writes nothing itself, unless the last transaction failed: then it tries to.
        """

    def lead(self, timeout_s: float) -> bool:
        """Try to become the one process that delivers events; True once it is.

        Kept until close, unless a person takes it away, so a leader asks again now and then.
        """

    def has_leader(self) -> bool:
        """Whether some process, this one included, leads now."""

    def close(self) -> None:
        """Bring the readable files up to date where possible, and let go of all locks."""
