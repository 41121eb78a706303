"""The search of the orders page: by number, customer, status and days, sorted, a page at a time.

A number, a whole name and a whole e-mail address are found among all orders, by index. Other words
are searched in MAX_SCANNED orders at a time, the newest first; each of these parts has pages of its
own, and leads on to the next.

Lists by day are read from the index. Any other order is made in memory, of MAX_SCANNED orders at
most.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from marshmallow import ValidationError

from app.kernel import order_states as states
from app.kernel.text_search import fold, has_words, typed_query, words_of
from app.orders.documents import ORDERS
from app.schema.fields import Timestamp
from app.store import Document, IndexValue, Page, Store, View
from app.store.matching import MAX_SCANNED, find_matching, read_all
from app.web.layout.cursors import read_cursor, write_cursor
from app.web.layout.positions import PAGE_SIZE, Position, parse_page

OPEN, SOLD = "open", "sold"
GROUPS = {OPEN: states.OPEN, SOLD: states.COUNTED}
"""The values of the status filter that stand for several statuses."""

TABS = {"": states.STATUSES, **GROUPS} | {each: (each,) for each in states.STATUSES}
"""For each value of the status filter the statuses that it stands for; "" is no filter."""

PLACED = "placed"
NEWEST_FIRST = "-placed"
SORTS: dict[str, Callable[[Document], Any]] = {
    "number": lambda order: order["number"],
    PLACED: lambda order: order["order_date"],
    "customer": lambda order: fold(order["customer_name"]),
    "total": lambda order: Decimal(order["total_amount"]),
    "status": lambda order: states.STATUSES.index(order["status"]),
}
"""The columns that sort the list; a minus before the name sorts it the other way."""


class Selection(NamedTuple):
    """The orders that a search selects by index, in any status, and the words they must have."""

    where: dict[str, IndexValue]
    low: str
    high: str | None
    words: list[str]

    def find(self, view: View, statuses: Iterable[str] = (), **options: Any) -> Page:
        """Return those of some statuses, by default of all; `options` as in View.find."""
        where = self.where | ({"status": frozenset(statuses)} if statuses else {})
        return view.find(ORDERS.name, where, low=self.low, high=self.high, **options)

    def count_by_tab(self, view: View) -> dict[str, int]:
        """Return how many orders `find` lists for each tab; those without the words count too."""

        def count(status: str) -> int:
            where = self.where | {"status": status}
            return view.count(ORDERS.name, where, low=self.low, high=self.high)

        return _count_by_tab(count)

    def has_words(self, order: Document) -> bool:
        """Whether the order has all of the words."""
        return has_words(self.words, order["customer_name"], order["customer_email"])


class OrderSearch(NamedTuple):
    """The search as typed. Each text is empty when it is not used.

    `cursor` is where the part of the orders begins in which words are searched.
    """

    find: str = ""
    status: str = ""
    from_: str = ""
    to: str = ""
    sort: str = NEWEST_FIRST
    cursor: str = ""
    page: int = 1

    @classmethod
    def parse(cls, arguments: Mapping[str, str]) -> "OrderSearch":
        """Return the search in the query of an address; unknown values count as none."""
        status, sort = arguments.get("status", ""), arguments.get("sort", "")
        return cls(
            find=typed_query(arguments.get("find", "")),
            status=status if status in TABS else "",
            from_=arguments.get("from", "")[:30],
            to=arguments.get("to", "")[:30],
            sort=sort if sort.removeprefix("-") in SORTS else NEWEST_FIRST,
            cursor=arguments.get("cursor", ""),
            page=parse_page(arguments.get("page", "")),
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether the search leaves any order out."""
        return bool(self.find or self.status or self.from_ or self.to)

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the address of this search's first page."""
        return {
            "find": self.find,
            "status": self.status,
            "from": self.from_,
            "to": self.to,
            "sort": self.sort if self.sort != NEWEST_FIRST else "",
            "cursor": self.cursor,
        }

    def run(self, store: Store, zone: tzinfo) -> "SearchResult":
        """Return the page of orders that this search asks for; its days are those of `zone`."""
        try:
            selection = self._select(store, zone)
        except ValidationError:
            return SearchResult(error="Write days as 2026-11-21.")
        if selection.words:
            return self._search_words(store, selection)
        with store.read() as view:
            counts = selection.count_by_tab(view)
            result = self._result(counts)
            if result.sort.removeprefix("-") == PLACED:
                options = {"skip": result.position.first - 1, "limit": PAGE_SIZE}
                is_descending = result.sort == NEWEST_FIRST
                found = selection.find(view, self._statuses, descending=is_descending, **options)
                return result._replace(orders=found.documents)
        orders = self._read_sorted(store, selection, result.sort)
        return result._replace(orders=result.position.cut(orders))

    def export(self, store: Store, zone: tzinfo) -> Iterable[Document]:
        """Return the orders of all pages of this search, sorted as they are.

        Raises ValidationError for a day that is none. A list that is too long to be sorted by
        another column comes newest first.
        """
        selection = self._select(store, zone)
        if self.sort.removeprefix("-") != PLACED:
            with store.read() as view:
                total = selection.count_by_tab(view)[self.status]
            if total <= MAX_SCANNED:
                return self._read_sorted(store, selection, self.sort)
        is_descending = self.sort != PLACED

        def find(view: View, after: str | None, limit: int) -> Page:
            return selection.find(
                view, self._statuses, after=after, limit=limit, descending=is_descending
            )

        return filter(selection.has_words, read_all(store, find))

    @property
    def _statuses(self) -> tuple[str, ...]:
        return TABS[self.status] if self.status else ()

    def _select(self, store: Store, zone: tzinfo) -> Selection:
        """Return what the search selects. Raises ValidationError for a day that is none."""
        first, last = Timestamp(zone), Timestamp(zone, end_of_day=True)
        low = first.deserialize(self.from_) if self.from_ else ""
        high = last.deserialize(self.to) if self.to else None
        for indexed in indexed_filters(self.find) if self.find else []:
            selection = Selection(indexed, low, high, [])
            with store.read() as view:
                if selection.count_by_tab(view)[""]:
                    return selection
        return Selection({}, low, high, words_of(self.find))

    def _search_words(self, store: Store, selection: Selection) -> "SearchResult":
        """Return a page of the orders that have the words, from one part of all orders."""
        list_name = f"orders {self.find}\n{self.from_}\n{self.to}"

        def find(view: View, after: str | None, limit: int) -> Page:
            return selection.find(view, after=after, limit=limit, descending=True)

        after = read_cursor(self.cursor, list_name)
        matches = find_matching(store, find, selection.has_words, after=after, limit=MAX_SCANNED)
        by_status = Counter(order["status"] for order in matches.documents)
        result = self._result(_count_by_tab(by_status.__getitem__))
        orders = [order for order in matches.documents if order["status"] in TABS[self.status]]
        return result._replace(
            orders=result.position.cut(_sorted(orders, result.sort)),
            older=write_cursor(matches.next, list_name),
            is_later_part=after is not None,
        )

    def _read_sorted(self, store: Store, selection: Selection, sort: str) -> list[Document]:
        """Return all orders, sorted in memory: MAX_SCANNED at most are read."""

        def find(view: View, after: str | None, limit: int) -> Page:
            return selection.find(view, self._statuses, after=after, limit=limit, descending=True)

        found = find_matching(store, find, selection.has_words, after=None, limit=MAX_SCANNED)
        return _sorted(found.documents, sort)

    def _result(self, counts: dict[str, int]) -> "SearchResult":
        """Return the result without its orders."""
        total = counts[self.status]
        is_sortable = total <= MAX_SCANNED
        return SearchResult(
            counts=counts,
            position=Position.of_page(self.page, total),
            sort=self.sort if is_sortable or self.sort.endswith(PLACED) else NEWEST_FIRST,
            is_sortable=is_sortable,
        )


class SearchResult(NamedTuple):
    """A page of orders, and how many were found in all.

    `counts` are by tab. `sort` is the one used: a long list can only be sorted by day, and is not
    `is_sortable`. `older` is the cursor of the part with older orders, which were not searched yet;
    `is_later_part` means that this part has not the newest ones. `error` says what is wrong.
    """

    orders: Sequence[Document] = ()
    counts: Mapping[str, int] = dict.fromkeys(TABS, 0)
    position: Position = Position()
    sort: str = NEWEST_FIRST
    is_sortable: bool = True
    older: str | None = None
    is_later_part: bool = False
    error: str = ""


def _count_by_tab(count: Callable[[str], int]) -> dict[str, int]:
    """Return the number of orders in each tab; `count` counts those in a status."""
    by_status = {each: count(each) for each in states.STATUSES}
    return {tab: sum(by_status[each] for each in statuses) for tab, statuses in TABS.items()}


def _sorted(orders: list[Document], sort: str) -> list[Document]:
    """Return orders that come newest first sorted; those that are alike stay newest first."""
    column = sort.removeprefix("-")
    is_descending = sort != column
    newest_first = sorted(orders, key=SORTS[PLACED], reverse=True)
    return sorted(newest_first, key=SORTS[column], reverse=is_descending)


def indexed_filters(text: str) -> list[dict[str, IndexValue]]:
    """Return the index filters that `text` may be a value of: an order's number, a customer."""
    digits = text.removeprefix("#")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= 12
    by_number: list[dict[str, IndexValue]] = [{"number": int(digits)}] if is_number else []
    return [*by_number, {"customer": fold(text)}]
