"""The search of the stock page: by name or sku and stock, sorted, a page at a time.

Without words the list comes by sku from an index, or is sorted in memory, of MAX_SORTED products at
most. Words are searched in MAX_SCANNED products at a time; each of these parts has pages of its
own, and leads on to the next.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple

from app.inventory.documents import PRODUCTS
from app.inventory.queries import ProductSearch
from app.inventory.schemas import IN_STOCK, LOW_STOCK, OUT_OF_STOCK, STOCK_STATUSES
from app.kernel.text_search import fold, words_of
from app.store import Document, IndexValue, Store
from app.store.matching import MAX_SCANNED, find_matching
from app.web.layout.cursors import read_cursor, write_cursor
from app.web.layout.positions import PAGE_SIZE, Position, parse_page

MAX_SORTED = 5000
"""Products that a list without words sorts by another column than the sku; they are all read."""

ARCHIVED = "archived"
FILTERS = ("", *STOCK_STATUSES, ARCHIVED)

_URGENCY = (OUT_OF_STOCK, LOW_STOCK, IN_STOCK)
_SORT_KEYS: Mapping[str, Callable[[Document], Any]] = {
    "name": lambda product: fold(product["name"]),
    "category": lambda product: fold(product["category"]),
    "price": lambda product: Decimal(product["price"]),
    "quantity": itemgetter("quantity"),
    "reserved": itemgetter("reserved"),
    "available": itemgetter("available"),
    "stock_status": lambda product: _URGENCY.index(product["stock_status"]),
}
"""The columns that sort the list; a minus before the name sorts it the other way."""


class StockSearch(NamedTuple):
    """The search as typed; without `sort` the list is sorted by sku.

    `cursor` is where the part of the products begins in which words are searched.
    """

    find: str = ""
    status: str = ""
    sort: str = ""
    cursor: str = ""
    page: int = 1

    @classmethod
    def parse(cls, arguments: Mapping[str, str]) -> "StockSearch":
        """Return the search in the query of an address; unknown values count as none."""
        status, sort = arguments.get("status", ""), arguments.get("sort", "")
        return cls(
            find=arguments.get("find", "").strip()[:100],
            status=status if status in FILTERS else "",
            sort=sort if sort.removeprefix("-") in _SORT_KEYS else "",
            cursor=arguments.get("cursor", ""),
            page=parse_page(arguments.get("page", "")),
        )

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the address of this search's first page."""
        typed = {"find": self.find, "status": self.status, "sort": self.sort}
        return typed | {"cursor": self.cursor}

    @property
    def selection(self) -> ProductSearch:
        """The products that the search is for."""
        filters: dict[str, IndexValue] = {}
        if self.status in STOCK_STATUSES:
            filters["stock_status"] = self.status
        return ProductSearch(words_of(self.find), filters, is_archived=self.status == ARCHIVED)

    def run(self, store: Store) -> "FoundProducts":
        """Return the page of products that this search asks for."""
        selection = self.selection
        with store.read() as view:
            counts = {
                each: view.count(PRODUCTS.name, StockSearch(status=each).selection.where)
                for each in FILTERS
            }
            total = counts[self.status]
            is_sortable = total <= MAX_SORTED
            if not selection.words and not (self.sort and is_sortable):
                position = Position.of_page(self.page, total)
                found = view.find(
                    PRODUCTS.name, selection.where, skip=position.first - 1, limit=PAGE_SIZE
                )
                return FoundProducts(counts, position, found.documents, is_sortable=is_sortable)
        return self._read(store, counts)

    def _read(self, store: Store, counts: Mapping[str, int]) -> "FoundProducts":
        """Return a page of the products that are read to be sorted, or searched for words."""
        list_name = f"stock {self.status}\n{self.find}"
        limit = MAX_SCANNED if self.selection.words else MAX_SORTED
        matches = find_matching(
            store,
            self.selection.find,
            self.selection.is_match,
            after=read_cursor(self.cursor, list_name),
            limit=limit,
            max_scanned=limit,
        )
        position = Position.of_page(self.page, len(matches.documents))
        products = position.cut(_sorted(matches.documents, self.sort))
        further = write_cursor(matches.next, list_name)
        return FoundProducts(counts, position, products, self.sort, further=further)


class FoundProducts(NamedTuple):
    """A page of products, and how many there are with each stock status, whatever was typed.

    `sort` is the one used: a long list can only be sorted by sku, and is not `is_sortable`.
    `further` is the cursor of the part of the products in which words were not searched yet.
    """

    counts: Mapping[str, int]
    position: Position
    products: Sequence[Document]
    sort: str = ""
    is_sortable: bool = True
    further: str | None = None


def _sorted(products: list[Document], sort: str) -> list[Document]:
    """Return products that come by sku sorted; those that are alike stay in this order."""
    if not sort:
        return products
    return sorted(products, key=_SORT_KEYS[sort.removeprefix("-")], reverse=sort.startswith("-"))
