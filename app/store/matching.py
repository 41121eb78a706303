"""Reads long lists in batches: whole ones, and what matches a condition that no index has.

The caller narrows a search by an index where it has one: of products by parts of their words
(app/inventory/queries.py). Each batch is read in a transaction of its own, so that no read is long.
"""

from collections.abc import Callable, Iterator

from app.store import Collection, Document, Page, Store, View

MAX_SCANNED = 2000
BATCH_SIZE = 200
"""Documents that one read of a search fetches."""

EXPORT_BATCH_SIZE = 50
"""Documents that one read of a whole list fetches."""


def find_matching(
    store: Store,
    find: Callable[[View, str | None, int], Page],
    is_match: Callable[[Document], bool],
    *,
    after: str | None,
    limit: int,
    batch_size: int = BATCH_SIZE,
    max_scanned: float = MAX_SCANNED,
) -> Page:
    """Return up to `limit` documents that match, of those that `find(view, after, limit)` lists.

    It stops after `max_scanned` documents. The page may thus be short, or even empty, with a
    `next`; the pages that follow have the remaining matches.
    """
    found: list[Document] = []
    scanned = 0
    while True:
        with store.read() as view:
            page = find(view, after, batch_size)
            places = [n for n, each in enumerate(page.documents, 1) if is_match(each)]
            taken = places[: limit - len(found)]
            found += [page.documents[n - 1] for n in taken]
            if len(found) == limit and taken[-1] < len(page.documents):
                page = find(view, after, taken[-1])  # its `next` is right behind the last match
        after = page.next
        scanned += batch_size
        if after is None or len(found) == limit or scanned >= max_scanned:
            return Page(found, after)


def read_all(store: Store, find: Callable[[View, str | None, int], Page]) -> Iterator[Document]:
    """All documents of a list, batch by batch; `find` returns the page after a cursor."""

    def read(after: str | None, limit: int) -> Page:
        with store.read() as view:
            return find(view, after, limit)

    return all_of(read)


def scan_all(store: Store, collection: Collection) -> Iterator[Document]:
    """All documents of a collection in the order of their keys, batch by batch; needs no index."""
    after = ""
    while True:
        with store.read() as view:
            batch = view.scan(collection.name, after, BATCH_SIZE)
        yield from batch
        if len(batch) < BATCH_SIZE:
            return
        after = batch[-1][collection.key]


def all_of(read: Callable[[str | None, int], Page]) -> Iterator[Document]:
    """All documents of a list, batch by batch; `read` returns the page after a cursor."""
    after = None
    while True:
        page = read(after, EXPORT_BATCH_SIZE)
        yield from page.documents
        if page.next is None:
            return
        after = page.next
