"""The products on the order form: those chosen already, then a page of the others."""

from typing import NamedTuple

from app.inventory.documents import PRODUCTS
from app.inventory.queries import text_filter
from app.kernel.text_search import has_words, words_of
from app.store import Document, IndexValue, Page, Store, View
from app.store.matching import find_matching
from app.web.customer.categories import Category
from app.web.layout.cursors import read_cursor, write_cursor

PAGE_SIZE = 20


class ProductPage(NamedTuple):
    """`chosen` products have a quantity, `others` do not; `next` is the cursor of more others."""

    chosen: list[Document]
    others: list[Document]
    next: str | None


def product_page(
    store: Store, chosen: list[str], find: str, category: Category | None, cursor: str
) -> ProductPage:
    """Return the products with the skus `chosen`, and a page of those that have the words `find`.

    With a `category` the page has products of it only. A cursor of other words, or of another
    category, counts as none. A search reads products with the rarest part of the
    words only, and at most so many that `others` may be short and still have a `next`.
    """
    words = words_of(find)
    list_name = f"products {category.key if category else ''}\n{find}"
    with store.read() as view:
        products = [view.get(PRODUCTS.name, sku) for sku in chosen]

    def read(view: View, after: str | None, limit: int) -> Page:
        where: dict[str, IndexValue | frozenset[IndexValue]] = {**text_filter(view, words)}
        if category:
            where["category"] = category.spellings
        where = where or {"archived": 0}
        return view.find(PRODUCTS.name, where, after=after, limit=limit)

    def is_other(product: Document) -> bool:
        texts = (product["name"], product["sku"], product["category"])
        return product["sku"] not in chosen and has_words(words, *texts)

    after = read_cursor(cursor, list_name)
    others = find_matching(
        store, read, is_other, after=after, limit=PAGE_SIZE, batch_size=PAGE_SIZE
    )
    known = [product for product in products if product]
    return ProductPage(known, others.documents, write_cursor(others.next, list_name))
