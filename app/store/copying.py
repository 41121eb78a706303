"""Reading everything of one store, and comparing it with what another one has stored."""

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest

from app.kernel.errors import Damaged
from app.store import Contents, Document, View

PAGE_SIZE = 1000
"""Documents that are copied, and compared, together."""

Load = Callable[[Contents, Callable[[int], None]], int]
"""A function that copies everything into another store; returns how many documents there are.

It calls its second parameter with the number of documents after each part, and raises Damaged for a
document that was not stored as it is.
"""


def scan_pages(view: View, collection: str) -> Iterator[list[Document]]:
    """Every document of a collection, in pages ordered by key."""
    after = ""
    while page := view.scan(collection, after, PAGE_SIZE):
        yield page
        after = next(iter(page[-1].values()))


def document_of(view: View, collection: str, key: str) -> Document:
    """The document under a key that the same view has just named."""
    document = view.get(collection, key)
    if document is None:
        raise LookupError(f"{key} of {collection} went away inside a view")
    return document


def refuse_difference(collection: str, copied: Iterable[object], stored: Iterable[object]) -> None:
    """Raise Damaged unless the JSON of the documents that a store has is what was copied into it.

    Both are in the same order.
    """
    for one, other in zip_longest(copied, stored):
        if one != other:
            raise Damaged(
                f"A document of {collection} was not stored as it was copied, so nothing of the "
                "copy is kept. Look at the disk, and try again."
            )
