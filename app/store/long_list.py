"""Lists in documents that grow with every change, stored at the same cost at any length.

A document keeps the newest entries of its list. When it has two pages of them, the older page moves
to a document of its own, which changes again only by `change_entries`. The document counts its
pages in `earlier_pages`, which a short list does not have. A long list that an older version stored
in one piece is read as it is, and divided when the next entry is added.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.store import Collection, Document, Place, Transaction, View

PAGE_LENGTH = 10
"""Entries in a page. A document has fewer than two pages of them, so this bounds what each change
writes again."""

EARLIER_PAGES = "earlier_pages"


@dataclass(frozen=True)
class LongList:
    """The list in `field` of the documents with key `key`.

    Its earlier entries are in `pages`, a collection with key `page`, in the field `entries`.
    """

    key: str
    field: str
    pages: Collection

    def append(self, tx: Transaction, document: Document, entry: object) -> Document:
        """The document with one more entry. Stores its pages; the caller stores the document."""
        entries, count = [*document[self.field], entry], document.get(EARLIER_PAGES, 0)
        while len(entries) >= 2 * PAGE_LENGTH:
            count += 1
            page = {"page": _page_key(document[self.key], count), "entries": entries[:PAGE_LENGTH]}
            tx.put(self.pages.name, page)
            entries = entries[PAGE_LENGTH:]
        return document | {self.field: entries} | ({EARLIER_PAGES: count} if count else {})

    def newest_first(self, view: View, document: Document) -> Iterator[Any]:
        """The entries, read page by page as they are asked for."""
        yield from reversed(document[self.field])
        for place in reversed(self.pages_of(document)):
            page = view.get(*place)
            yield from reversed((page or {"entries": []})["entries"])

    def pages_of(self, document: Document) -> list[Place]:
        """The places of the earlier pages, oldest first."""
        numbers = range(1, document.get(EARLIER_PAGES, 0) + 1)
        return [(self.pages.name, _page_key(document[self.key], number)) for number in numbers]

    def read_all(self, view: View, document: Document) -> Document:
        """The document with the whole list."""
        if EARLIER_PAGES not in document:
            return document
        entries = list(self.newest_first(view, document))[::-1]
        return without_pages(document) | {self.field: entries}

    def change_entries(
        self, tx: Transaction, document: Document, change: Callable[[Any], Any]
    ) -> Document:
        """The document with `change` made to every entry. Stores its pages, as `append` does."""
        for name, key in self.pages_of(document):
            page = tx.get(name, key) or {"entries": []}
            entries = [change(each) for each in page["entries"]]
            tx.put(name, {"page": key, "entries": entries})
        return document | {self.field: [change(each) for each in document[self.field]]}

    def delete_pages(self, tx: Transaction, key: str) -> None:
        """Delete the pages of the document with this key."""
        number = 1
        while tx.get(self.pages.name, _page_key(key, number)) is not None:
            tx.delete(self.pages.name, _page_key(key, number))
            number += 1


def without_pages(document: Document) -> Document:
    """The document with the newest entries alone, and no count of pages."""
    return {name: value for name, value in document.items() if name != EARLIER_PAGES}


def _page_key(key: str, number: int) -> str:
    return f"{key}-{number}"
