"""What the desk lists: orders by status, days and words, a page at a time.

A number, a whole name and a whole address are found among all orders, through the indexes. Other
words are looked for in the newest orders only, so that no search costs more than that many reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from unicodedata import normalize
from urllib.parse import urlencode

from marshmallow import ValidationError

from app.http.requests.paging import decode_cursor, encode_cursor
from app.kernel import order_states as states
from app.kernel.errors import Malformed
from app.orders.documents import ORDERS
from app.schema.fields import Timestamp
from app.store import Document, IndexValue, Store, View

PAGE = 25
LOOKED_AT = 2000
_BATCH = 200
_FROM, _TO = Timestamp(), Timestamp(end_of_day=True)


@dataclass(frozen=True)
class Wanted:
    """What was asked for, as it was typed."""

    find: str = ""
    status: str = ""
    from_: str = ""
    to: str = ""
    cursor: str = ""

    @property
    def list_name(self) -> str:
        """What ties a cursor to this list."""
        return f"desk {self.find} {self.status} {self.from_} {self.to}"

    def query(self, **changes: str) -> str:
        """The address of this list with something changed."""
        known = {"find": self.find, "status": self.status, "from": self.from_, "to": self.to}
        return urlencode({name: value for name, value in (known | changes).items() if value})


@dataclass(frozen=True)
class Found:
    """A page of orders, newest first; `next` leads on; `is_partial` when not all were looked at."""

    orders: list[Document]
    next: str | None = None
    is_partial: bool = False
    fault: str = ""


def wanted(arguments: Mapping[str, str]) -> Wanted:
    """What the address asks for; unknown words in it count for nothing."""
    status = arguments.get("status", "")
    return Wanted(
        find=normalize("NFC", arguments.get("find", "")).strip()[:254],
        status=status if status in states.STATUSES else "",
        from_=arguments.get("from", "")[:30],
        to=arguments.get("to", "")[:30],
        cursor=arguments.get("cursor", ""),
    )


def find(store: Store, asked: Wanted) -> Found:
    """The page that was asked for."""
    try:
        low = _FROM.deserialize(asked.from_) if asked.from_ else ""
        high = _TO.deserialize(asked.to) if asked.to else None
    except ValidationError:
        return Found([], fault="Write days as 2026-11-21.")
    where: dict[str, IndexValue] = {"status": asked.status} if asked.status else {}
    if not asked.find:
        return _listed(store, asked, where, low, high)
    with store.read() as view:
        exact = _exact(view, asked.find, where, low, high)
    return Found(exact) if exact else _looked_for(store, asked.find, where, low, high)


def counts(store: Store) -> dict[str, int]:
    """How many orders are in each status, and under "" in all. Costs next to nothing."""
    with store.read() as view:
        by_status = {each: view.count(ORDERS.name, {"status": each}) for each in states.STATUSES}
        return {"": view.count(ORDERS.name)} | by_status


def _listed(
    store: Store, asked: Wanted, where: dict[str, IndexValue], low: str, high: str | None
) -> Found:
    try:
        after = decode_cursor(asked.cursor, asked.list_name) if asked.cursor else None
    except Malformed:
        after = None
    with store.read() as view:
        page = view.find(
            ORDERS.name, where, low=low, high=high, after=after, limit=PAGE, descending=True
        )
    return Found(page.documents, page.next and encode_cursor(page.next, asked.list_name))


def _exact(
    view: View, text: str, where: dict[str, IndexValue], low: str, high: str | None
) -> list[Document]:
    """The orders with this number, or of this very customer."""
    folded = text.casefold()
    filters: list[dict[str, IndexValue]] = [{"customer": folded}]
    digits = text.removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) <= 12:
        filters.insert(0, {"number": int(digits)})
    for each in filters:
        found = view.find(
            ORDERS.name, where | each, low=low, high=high, limit=_BATCH, descending=True
        ).documents
        if found:
            return found
    return []


def _looked_for(
    store: Store, text: str, where: dict[str, IndexValue], low: str, high: str | None
) -> Found:
    """Orders whose customer has every word; takes a batch at a time, so it holds nobody up."""
    words = text.casefold().split()
    found: list[Document] = []
    after: str | None = None
    for _ in range(LOOKED_AT // _BATCH):
        with store.read() as view:
            page = view.find(
                ORDERS.name, where, low=low, high=high, after=after, limit=_BATCH, descending=True
            )
        found += [order for order in page.documents if _has(order, words)]
        after = page.next
        if after is None or len(found) >= _BATCH:
            break
    return Found(found[:_BATCH], is_partial=after is not None)


def _has(order: Document, words: list[str]) -> bool:
    text = f"{order['customer_name']} {order['customer_email'] or ''}".casefold()
    return all(word in text for word in words)
