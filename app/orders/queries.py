"""Read access to orders for the other services and the pages."""

from hmac import compare_digest

from app.events.outbox import timeline
from app.events.types import OrderDeleted
from app.kernel.errors import NotFound
from app.kernel.order_states import PLACED, VOIDED
from app.kernel.shipping_address import address_of
from app.orders.documents import ORDERS
from app.store import Document, View

NUMBER_SERIES, FIRST_NUMBER = "order", 1001
MAX_NUMBER_DIGITS = 15


def get_order(view: View, order_id: str) -> Document | None:
    """The order with this id, or None."""
    return view.get(ORDERS.name, order_id)


def present_address(view: View, order_id: str) -> Document:
    """The shipping address that the order has now, as a member of an order; empty without one.

    Events have no address, so what shows one beside an event's order adds it by this.
    """
    return address_of(get_order(view, order_id))


def find_order(view: View, name: str) -> Document:
    """The order with this id or number. Raises NotFound, which says when it was one."""
    if order := _by_id_or_number(view, name):
        return order
    if number := _deleted_number(view, name):
        raise NotFound(f"Order {number} was deleted.")
    raise NotFound(f"There is no order {name[:40]}.")


def find_end(order: Document) -> Document | None:
    """The entry of its whole history that ended the order without a sale; None for other orders."""
    ends = [entry for entry in order["history"] if entry["event"] == order["status"]]
    return ends[-1] if ends and order["status"] in VOIDED else None


def find_order_by_link(view: View, link: str) -> Document:
    """The order whose customer page has this link. Raises NotFound for any other text."""
    order = _by_id_or_number(view, link.partition("-")[0])
    if order and compare_digest(order.get("link", "").encode(), link.encode()):
        return order
    raise NotFound(
        "There is no order under this link: the link is not complete, or the order was deleted."
    )


def resolve_order_id(view: View, name: str) -> str:
    """The id of the order with this id or number; `name` itself when there is none."""
    order = _by_id_or_number(view, name)
    return str(order["order_id"]) if order else name


def is_in_placed_order(view: View, sku: str) -> bool:
    """Whether an order names the product that inventory has not processed yet."""
    return bool(view.find(ORDERS.name, {"status": PLACED, "product": sku}, limit=1).documents)


def _deleted_number(view: View, name: str) -> int | None:
    """The number of a deleted order; None when there was no order with this id or number.

    Numbers are issued without a gap, so one between the first and the last had an order.
    """
    if _is_number(name):
        was_issued = FIRST_NUMBER <= int(name) <= view.last_number(NUMBER_SERIES)
        return int(name) if was_issued else None
    for record in timeline(view, name):
        if record["event"]["type"] == OrderDeleted.type:
            return int(record["event"]["data"]["order"]["number"])
    return None


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= MAX_NUMBER_DIGITS


def _by_id_or_number(view: View, name: str) -> Document | None:
    if _is_number(name):
        return next(iter(view.find(ORDERS.name, {"number": int(name)}, limit=1).documents), None)
    return view.get(ORDERS.name, name)
