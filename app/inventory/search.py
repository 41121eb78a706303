"""A search of products by conditions that no index has, at a bounded cost for each page.

An index of words would be written with every product and kept in memory by every process. Instead a
page scans at most MAX_SCANNED products, in batches so that writers need not wait long. A page may
therefore be short or empty and still have a `next`; following it to the end finds every match.
"""

from collections.abc import Callable, Mapping
from unicodedata import normalize

from app.inventory.documents import PRODUCTS
from app.store import Document, IndexValue, Page, Store

MAX_SCANNED = 2000
SCAN_BATCH = 200


def search(
    store: Store,
    where: Mapping[str, IndexValue],
    is_wanted: Callable[[Document], bool],
    after: str | None,
    limit: int,
) -> Page:
    """At most `limit` products that the index filter `where` finds and `is_wanted` accepts."""
    found: list[Document] = []
    for _ in range(MAX_SCANNED // SCAN_BATCH):
        with store.read() as view:
            page = view.find(PRODUCTS.name, where, after=after, limit=SCAN_BATCH)
            places = [n for n, each in enumerate(page.documents, 1) if is_wanted(each)]
            taken = places[: limit - len(found)]
            found += [page.documents[n - 1] for n in taken]
            if len(found) == limit and taken[-1] < len(page.documents):
                page = view.find(PRODUCTS.name, where, after=after, limit=taken[-1])
        after = page.next
        if after is None or len(found) == limit:
            break
    return Page(found, after)


def has_words(product: Document, words: str) -> bool:
    """Whether the name or sku contains each of the words, ignoring case."""
    text = f"{product['name']}\n{product['sku']}".casefold()
    return all(word in text for word in normalize("NFC", words).casefold().split())
