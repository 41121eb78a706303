"""Read access to products and reservations for the other services and the pages."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from app.inventory.documents import PRODUCTS, RESERVATIONS
from app.kernel.errors import NotFound
from app.kernel.quantities import quantities
from app.kernel.text_search import has_words, query_terms
from app.store import Document, IndexValue, Page, View


def find_product(view: View, sku: str) -> Document:
    """The product, archived or not; slashes after its sku are ignored. Raises NotFound."""
    product = view.get(PRODUCTS.name, sku) or view.get(PRODUCTS.name, sku.rstrip("/"))
    if product is None:
        raise NotFound(f"There is no product {sku[:64]}.")
    return product


class ProductSearch(NamedTuple):
    """The products with all `words` in their name or sku that are archived or not.

    `filters` are index values that they have.
    """

    words: list[str]
    filters: dict[str, IndexValue]
    is_archived: bool

    @property
    def where(self) -> dict[str, IndexValue]:
        """The index filter without the words; only the index `archived` has archived products."""
        return {"archived": 1} if self.is_archived else self.filters or {"archived": 0}

    @property
    def needs_reading(self) -> bool:
        """Whether some of the products that `find` lists may not match."""
        return bool(self.words or (self.is_archived and self.filters))

    def find(self, view: View, after: str | None, limit: int) -> Page:
        """A page of the products that indexes select; `is_match` tells which of them match."""
        where = self.where if self.is_archived else self.where | text_filter(view, self.words)
        return view.find(PRODUCTS.name, where, after=after, limit=limit)

    def is_match(self, product: Document) -> bool:
        """Whether the product has the words and the filters' values."""
        has_values = self.filters.items() <= product.items()
        return has_values and has_words(self.words, product["name"], product["sku"])


def text_filter(view: View, words: Iterable[str]) -> dict[str, IndexValue]:
    """The index filter with the fewest products of those that all products with `words` pass.

    Empty without words. Archived products pass none.
    """
    terms = query_terms(words)
    if not terms:
        return {}
    rarest = min(terms, key=lambda term: view.count(PRODUCTS.name, {"text": term}))
    return {"text": rarest}


def get_products(view: View, skus: Iterable[str]) -> dict[str, Document | None]:
    """The products by sku; None for a sku that is not in the catalogue."""
    skus = list(skus)
    view.prefetch((PRODUCTS.name, sku) for sku in skus)
    return {sku: view.get(PRODUCTS.name, sku) for sku in skus}


def stocked_quantities(view: View, order: Document) -> Counter[str]:
    """The pieces by sku in the order's lines, of products in the catalogue."""
    wanted = quantities(order["items"])
    return Counter({sku: n for sku, n in wanted.items() if view.get(PRODUCTS.name, sku)})


def reserved_quantities(view: View, order_id: str) -> Counter[str]:
    """The pieces by sku that are reserved for the order."""
    reservation = view.get(RESERVATIONS.name, order_id)
    return quantities(reservation["lines"]) if reservation else Counter()


def is_checked(view: View, order_id: str) -> bool:
    """Whether inventory has reserved the order's lines, or found that too little is available."""
    return view.get(RESERVATIONS.name, order_id) is not None


def has_reserved(view: View, order: Document) -> bool:
    """Whether the order's present lines are reserved, and nothing else.

    This reads the reservation, not the last event about it: a change of the order may have
    overtaken that event, and the goods may be reserved for another order by now.
    """
    reservation = view.get(RESERVATIONS.name, order["order_id"])
    if reservation is None:
        return False
    return quantities(reservation["lines"]) == stocked_quantities(view, order)


def shortages(view: View, order: Document) -> list[Document] | None:
    """The products of which too little is available for the order; empty when all is reserved.

    None until inventory has checked the lines that the order has now.
    """
    reservation = view.get(RESERVATIONS.name, order["order_id"])
    if reservation is None:
        return None
    checked = reservation["wanted"] if "wanted" in reservation else reservation["lines"]
    if quantities(checked) != quantities(order["items"]):
        return None
    short: list[Document] = reservation.get("short", [])
    return short


def is_available(view: View, order: Document) -> bool:
    """Whether all lines are available for an order that has nothing reserved yet."""
    wanted = quantities(order["items"])
    products = get_products(view, wanted)
    return all(
        product is None or product["available"] >= wanted[sku] for sku, product in products.items()
    )
