"""The search of the failures on the events page: by handler, event, order and error.

Handler, event type and order have indexes. A part of the error is searched in MAX_SCANNED failures
at a time, the newest first; each of these parts has pages of its own, and leads on to the next.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.events.failures import FAILURES
from app.orders.queries import resolve_order_id
from app.store import Document, Page, Store, View
from app.store.matching import MAX_SCANNED, find_matching
from app.web.layout.cursors import read_cursor, write_cursor
from app.web.layout.positions import PAGE_SIZE, Position, parse_page

_MAX_CHARACTERS = 200


class FailureSearch(NamedTuple):
    """The search as typed; `order` is a number or id.

    `cursor` is where the part of the failures begins in which errors are searched.
    """

    handler: str = ""
    type: str = ""
    order: str = ""
    error: str = ""
    cursor: str = ""
    page: int = 1

    @classmethod
    def parse(cls, arguments: Mapping[str, str]) -> "FailureSearch":
        """Return the search in the query of an address, or in a form."""
        names = ("handler", "type", "order", "error")
        typed = {name: arguments.get(name, "").strip()[:_MAX_CHARACTERS] for name in names}
        page = parse_page(arguments.get("page", ""))
        return cls(**typed, cursor=arguments.get("cursor", ""), page=page)

    @property
    def filters(self) -> dict[str, str]:
        """The fields that leave any failure out."""
        names = ("handler", "type", "order", "error")
        return {name: value for name in names if (value := getattr(self, name))}

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the address of this search's first page."""
        return self.filters | {"cursor": self.cursor}

    def where(self, view: View) -> dict[str, Any]:
        """Return the filters that an index of the failures serves, with the order's id."""
        where = {name: value for name, value in self.filters.items() if name != "error"}
        if self.order:
            where["order"] = resolve_order_id(view, self.order)
        return where

    def run(self, store: Store) -> "FoundFailures":
        """Return the page of failures that this search asks for, newest first."""
        with store.read() as view:
            where = self.where(view)
            if not self.error:
                position = Position.of_page(self.page, view.count(FAILURES.name, where))
                found = view.find(
                    FAILURES.name,
                    where,
                    skip=position.first - 1,
                    limit=PAGE_SIZE,
                    descending=True,
                )
                return FoundFailures(found.documents, position)
        return self._search_errors(store, where)

    def _search_errors(self, store: Store, where: dict[str, Any]) -> "FoundFailures":
        """Return a page of the failures with the error, from one part of those under `where`."""
        list_name, part = f"failures {self.filters}", self.error.lower()

        def find(view: View, after: str | None, limit: int) -> Page:
            return view.find(FAILURES.name, where, after=after, limit=limit, descending=True)

        matches = find_matching(
            store,
            find,
            lambda failure: part in failure["error"].lower(),
            after=read_cursor(self.cursor, list_name),
            limit=MAX_SCANNED,
        )
        position = Position.of_page(self.page, len(matches.documents))
        failures = position.cut(matches.documents)
        return FoundFailures(failures, position, write_cursor(matches.next, list_name))


class FoundFailures(NamedTuple):
    """A page of failures; `older` is the cursor of those whose errors were not searched yet."""

    failures: Sequence[Document]
    position: Position
    older: str | None = None
