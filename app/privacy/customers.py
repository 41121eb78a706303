"""Finds the orders of a person: by e-mail address, or one by id or number, also deleted ones.

No index has the addresses of earlier versions of an order, or deleted orders. So all events are
read, batch by batch; nothing is locked meanwhile.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from app.events.outbox import EVENTS, OUTBOX, SUBSCRIBER_OUTBOX, timeline
from app.kernel.errors import NotFound
from app.kernel.text_search import fold
from app.orders.documents import ORDERS
from app.orders.queries import find_order
from app.store import Document, Store, View
from app.store.matching import scan_all


class OrderKey(NamedTuple):
    """The id and the number of an order, which may be deleted."""

    order_id: str
    number: int


def find_orders(store: Store, name: str) -> list[OrderKey]:
    """The orders of an e-mail address, or the one with this id or number; oldest first.

    An order has the address if it has, or ever had, this one. Raises NotFound.
    """
    if "@" not in name:
        return [_find_order(store, name)]
    address = fold(name)
    found = set(_matching(store, lambda order: fold(order["customer_email"] or "") == address))
    if not found:
        raise NotFound(f"No order has the e-mail address {name[:254]}.")
    return sorted(found)


def find_deleted_order(view: View, order_id: str, until: str) -> OrderKey | None:
    """The order with this id, if it was deleted before `until`; else None."""
    if view.get(ORDERS.name, order_id):
        return None
    events = [record["event"] for record in timeline(view, order_id)]
    orders = [event["data"]["order"] for event in events if "order" in event["data"]]
    if not orders or events[-1]["time"] >= until:
        return None
    return OrderKey(order_id, orders[-1]["number"])


def _find_order(store: Store, name: str) -> OrderKey:
    try:
        with store.read() as view:
            order = find_order(view, name)
    except NotFound:
        of_name = _matching(store, lambda order: name in (order["order_id"], str(order["number"])))
        if deleted := next(of_name, None):
            return deleted
        raise
    return OrderKey(order["order_id"], order["number"])


def _matching(store: Store, is_match: Callable[[Document], bool]) -> Iterator[OrderKey]:
    for order in _every_version(store):
        if is_match(order):
            yield OrderKey(order["order_id"], order["number"])


def _every_version(store: Store) -> Iterator[Document]:
    """Every order as it is, and as each of its events has it."""
    yield from scan_all(store, ORDERS)
    for events in (OUTBOX, SUBSCRIBER_OUTBOX, EVENTS):  # in the order in which events move on
        for record in scan_all(store, events):
            if order := record["event"]["data"].get("order"):
                yield order
