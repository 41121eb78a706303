"""The search of the orders page: by number, customer, status and days, a page at a time.

A number, a whole name and a whole e-mail address are found among all orders, by index. Other words
are searched in MAX_SCANNED orders at a time, the newest first; each page goes on from the last.
"""

import unicodedata
from collections.abc import Mapping
from datetime import tzinfo
from typing import NamedTuple
from urllib.parse import urlencode

from marshmallow import ValidationError

from app.kernel import order_states as states
from app.kernel.text_search import MAX_QUERY_CHARACTERS, fold, has_words, words_of
from app.orders.documents import ORDERS
from app.schema.fields import Timestamp
from app.store import Document, IndexValue, Page, Store, View
from app.store.matching import find_matching
from app.web.layout.cursors import read_cursor, write_cursor

PAGE_SIZE = 25


class OrderSearch(NamedTuple):
    """The search as typed. Each field is empty when it is not used."""

    find: str = ""
    status: str = ""
    from_: str = ""
    to: str = ""
    cursor: str = ""

    @classmethod
    def parse(cls, arguments: Mapping[str, str]) -> "OrderSearch":
        """Return the search in the query of an address; an unknown status counts as none."""
        find, status = arguments.get("find", ""), arguments.get("status", "")
        return cls(
            find=unicodedata.normalize("NFC", find[:MAX_QUERY_CHARACTERS]).strip(),
            status=status if status in states.STATUSES else "",
            from_=arguments.get("from", "")[:30],
            to=arguments.get("to", "")[:30],
            cursor=arguments.get("cursor", ""),
        )

    def query(self, **changes: str) -> str:
        """Return the query of the address of this search, with some fields changed."""
        known = {"find": self.find, "status": self.status, "from": self.from_, "to": self.to}
        return urlencode({name: value for name, value in (known | changes).items() if value})

    def run(self, store: Store, zone: tzinfo) -> "SearchResult":
        """Return the page of orders that this search asks for; its days are those of `zone`."""
        first, last = Timestamp(zone), Timestamp(zone, end_of_day=True)
        try:
            low = first.deserialize(self.from_) if self.from_ else ""
            high = last.deserialize(self.to) if self.to else None
        except ValidationError:
            return SearchResult([], error="Write days as 2026-11-21.")

        def find(view: View, after: str | None, limit: int, **filters: IndexValue) -> Page:
            where = ({"status": self.status} if self.status else {}) | filters
            return view.find(
                ORDERS.name, where, low=low, high=high, after=after, limit=limit, descending=True
            )

        list_name = f"orders {self.query()}"
        after = read_cursor(self.cursor, list_name)
        for indexed in _indexed_filters(self.find) if self.find else [{}]:
            with store.read() as view:
                page = find(view, after, PAGE_SIZE, **indexed)
            if page.documents or not self.find:
                return SearchResult(page.documents, write_cursor(page.next, list_name))
        words = words_of(self.find)

        def is_match(order: Document) -> bool:
            return has_words(words, order["customer_name"], order["customer_email"])

        page = find_matching(store, find, is_match, after=after, limit=PAGE_SIZE)
        is_partial = page.next is not None and len(page.documents) < PAGE_SIZE
        return SearchResult(page.documents, write_cursor(page.next, list_name), is_partial)


class SearchResult(NamedTuple):
    """A page of orders, newest first.

    `next` is the cursor of the next page. `is_partial` means that older orders were not searched
    yet, though the page is short. `error` says what is wrong with the search.
    """

    orders: list[Document]
    next: str | None = None
    is_partial: bool = False
    error: str = ""


def count_by_status(store: Store) -> dict[str, int]:
    """Return the number of orders in each status, and of all under "". The indexes know them."""
    with store.read() as view:
        by_status = {each: view.count(ORDERS.name, {"status": each}) for each in states.STATUSES}
        return {"": view.count(ORDERS.name)} | by_status


def _indexed_filters(text: str) -> list[dict[str, IndexValue]]:
    """Return the index filters that `text` may be a value of: an order's number, a customer."""
    digits = text.removeprefix("#")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= 12
    by_number: list[dict[str, IndexValue]] = [{"number": int(digits)}] if is_number else []
    return [*by_number, {"customer": fold(text)}]
