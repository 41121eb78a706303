"""The products on the order form: those chosen already, then a page of the others."""

from dataclasses import dataclass
from math import inf

from app.inventory.documents import PRODUCTS
from app.kernel.text_search import has_words, words_of
from app.store import Document, Store
from app.store.matching import find_matching
from app.web.layout.cursors import read_cursor, write_cursor

PAGE_SIZE = 20


@dataclass(frozen=True)
class ProductPage:
    """`chosen` products have a quantity, `others` do not; `next` is the cursor of more others."""

    chosen: list[Document]
    others: list[Document]
    next: str | None


def product_page(store: Store, chosen: list[str], find: str, cursor: str) -> ProductPage:
    """Return the products with the skus `chosen`, and a page of those that have the words `find`.

    A cursor of other words counts as none. A search may read the whole catalogue, a page at a time;
    a page without search reads one page.
    """
    words, list_name = words_of(find), f"products {find}"
    with store.read() as view:
        products = [view.get(PRODUCTS.name, sku) for sku in chosen]
    others = find_matching(
        store,
        lambda view, after, limit: view.find(
            PRODUCTS.name, {"archived": 0}, after=after, limit=limit
        ),
        lambda each: (
            each["sku"] not in chosen
            and has_words(words, each["name"], each["sku"], each["category"])
        ),
        after=read_cursor(cursor, list_name),
        limit=PAGE_SIZE,
        batch_size=PAGE_SIZE,
        max_scanned=inf,
    )
    return ProductPage(
        [product for product in products if product],
        others.documents,
        write_cursor(others.next, list_name),
    )
