"""The products that the order form shows: those chosen already, then a page of the others."""

from dataclasses import dataclass
from unicodedata import normalize

from app.http.requests.paging import decode_cursor, encode_cursor
from app.inventory.documents import PRODUCTS
from app.kernel.errors import Malformed
from app.store import Document, Store

PAGE = 20


@dataclass(frozen=True)
class ProductPage:
    """`chosen` have a quantity; `others` don't; `next` leads to more of these, if there are any."""

    chosen: list[Document]
    others: list[Document]
    next: str | None


def shelf(store: Store, chosen: list[str], find: str, after: str) -> ProductPage:
    """What to show for the skus that are chosen and the words that are looked for.

    Takes a page of products at a time from the store, so that it holds nobody up; finding words
    costs the catalogue, showing it costs a page.
    """
    words = normalize("NFC", find).casefold().split()
    with store.read() as view:
        found = [view.get(PRODUCTS.name, sku) for sku in chosen]
    others: list[Document] = []
    position = _position(after, find)
    while True:
        with store.read() as view:
            page = view.find(PRODUCTS.name, {"archived": 0}, after=position, limit=PAGE)
        position = page.next
        others += [
            product
            for product in page.documents
            if product["sku"] not in chosen and _has(product, words)
        ]
        if position is None or len(others) >= PAGE:
            break
    more = None if position is None else encode_cursor(position, _name(find))
    return ProductPage([product for product in found if product], others, more)


def _has(product: Document, words: list[str]) -> bool:
    text = f"{product['name']} {product['sku']} {product['category']}".casefold()
    return all(word in text for word in words)


def _position(after: str, find: str) -> str | None:
    """Where the page begins; from the start again when other words are looked for."""
    try:
        return decode_cursor(after, _name(find)) if after else None
    except Malformed:
        return None


def _name(find: str) -> str:
    return f"shelf {find}"
