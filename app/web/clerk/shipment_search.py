"""The search of the shipping page: by order number, customer, tracking number and state.

A number, a whole name and a whole e-mail address are found among all orders, by their indexes.
Other words and tracking numbers are searched in MAX_SCANNED shipments at a time, those of the
newest orders first; each of these parts has pages of its own, and leads on to the next.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from app.kernel.order_states import SENT
from app.kernel.text_search import has_words, typed_query, words_of
from app.orders.documents import ORDERS
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import get_shipment
from app.shipping.states import READY, STATES
from app.store import Document, IndexValue, Page, Store, View
from app.store.matching import MAX_SCANNED, find_matching
from app.web.clerk.order_search import indexed_filters
from app.web.layout.cursors import read_cursor, write_cursor
from app.web.layout.positions import PAGE_SIZE, Position, parse_page

ALL = ""
"""The state that stands for all of them; only a search can have it."""


class ShipmentSearch(NamedTuple):
    """The search as typed; `find` is empty in a list of all shipments in a state.

    `cursor` is where the part of the shipments begins in which words are searched.
    """

    find: str = ""
    state: str = READY
    cursor: str = ""
    page: int = 1

    @classmethod
    def parse(cls, arguments: Mapping[str, str]) -> "ShipmentSearch":
        """Return the search in the query of an address; unknown values count as none."""
        find, state = typed_query(arguments.get("find", "")), arguments.get("state", "")
        return cls(
            find=find,
            state=state if state in STATES else ALL if find else READY,
            cursor=arguments.get("cursor", ""),
            page=parse_page(arguments.get("page", "")),
        )

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the address of this search's first page."""
        return {"find": self.find, "state": self.state, "cursor": self.cursor}

    def run(self, store: Store) -> "FoundShipments":
        """Return the page of shipments that this search asks for.

        Those still to be packed come oldest first, those that have left newest first, and so do
        those of all states.
        """
        if self.find:
            return self._search(store)
        with store.read() as view:
            result = self._result(lambda state: view.count(SHIPMENTS.name, {"state": state}))
            found = view.find(
                SHIPMENTS.name,
                {"state": self.state},
                skip=result.position.first - 1,
                limit=PAGE_SIZE,
                descending=self._is_newest_first,
            )
        return result._replace(shipments=found.documents)

    @property
    def _is_newest_first(self) -> bool:
        return self.state in (ALL, *SENT)

    def _search(self, store: Store) -> "FoundShipments":
        """Return a page of what is found in one part of the shipments."""
        list_name = f"shipments {self.find}"
        where = self._where(store)
        words = [] if where else words_of(self.find)

        def find(view: View, after: str | None, limit: int) -> Page:
            options: dict[str, Any] = {"after": after, "limit": limit, "descending": True}
            if not where:
                return view.find(SHIPMENTS.name, **options)
            orders = view.find(ORDERS.name, where, **options)
            found = (get_shipment(view, order["order_id"]) for order in orders.documents)
            return Page([shipment for shipment in found if shipment], orders.next)

        def is_match(shipment: Document) -> bool:
            return has_words(words, shipment["customer_name"], shipment["tracking_number"])

        after = read_cursor(self.cursor, list_name)
        matches = find_matching(store, find, is_match, after=after, limit=MAX_SCANNED)
        by_state = Counter(shipment["state"] for shipment in matches.documents)
        result = self._result(by_state.__getitem__)
        shipments = [each for each in matches.documents if self.state in (ALL, each["state"])]
        if not self._is_newest_first:
            shipments.reverse()
        return result._replace(
            shipments=result.position.cut(shipments),
            older=write_cursor(matches.next, list_name),
            is_later_part=after is not None,
        )

    def _where(self, store: Store) -> dict[str, IndexValue]:
        """Return the index filter that finds orders for the text; empty when none does."""
        with store.read() as view:
            found = (each for each in indexed_filters(self.find) if view.count(ORDERS.name, each))
            return next(found, {})

    def _result(self, count: Callable[[str], int]) -> "FoundShipments":
        """Return the result without its shipments; `count` counts those in a state."""
        counts = {state: count(state) for state in STATES}
        if self.find:
            counts = {ALL: sum(counts.values())} | counts
        return FoundShipments(counts, Position.of_page(self.page, counts[self.state]))


class FoundShipments(NamedTuple):
    """A page of shipments, and how many were found in all; `counts` are by state.

    `older` is the cursor of the part with older orders, which were not searched yet;
    `is_later_part` means that this part has not the newest ones.
    """

    counts: Mapping[str, int]
    position: Position
    shipments: Sequence[Document] = ()
    older: str | None = None
    is_later_part: bool = False
