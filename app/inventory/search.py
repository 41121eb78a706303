"""Finding products by what no index has, at a price that does not depend on how many there are.

There is no index of words, for one: it would be written with every product, and every process would
keep it in memory. A page looks at no more than MOST_LOOKED_AT products instead, a few at a time so
that nobody is held up. Where that was not enough, the page is short or even empty, and its `next`
leads on: who follows it to the end has seen every match.
"""

from collections.abc import Callable, Mapping
from unicodedata import normalize

from app.inventory.stock import PRODUCTS
from app.store import Document, IndexValue, Page, Store

MOST_LOOKED_AT = 2000
AT_A_TIME = 200


def search(
    store: Store,
    where: Mapping[str, IndexValue],
    is_wanted: Callable[[Document], bool],
    after: str | None,
    limit: int,
) -> Page:
    """The next `limit` products, at most, that the index finds by `where` and that are wanted."""
    found: list[Document] = []
    for _ in range(MOST_LOOKED_AT // AT_A_TIME):
        with store.read() as view:
            page = view.find(PRODUCTS.name, where, after=after, limit=AT_A_TIME)
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
    """Whether each word stands in the product's name or sku, in any case, as part of a word too."""
    text = f"{product['name']}\n{product['sku']}".casefold()
    return all(word in text for word in normalize("NFC", words).casefold().split())
