"""Read access to shipments for the other services and the pages."""

from operator import itemgetter
from typing import TypeGuard

from app.kernel.errors import NotFound
from app.kernel.order_states import OPEN, SENT
from app.shipping.documents import SHIPMENTS
from app.store import Document, View

HANDOVERS_READ = 50
"""Hand-overs, of the newest orders, whose carriers are offered for the next one."""


def get_shipment(view: View, order_id: str) -> Document | None:
    """The shipment of the order, or None."""
    return view.get(SHIPMENTS.name, order_id)


def find_shipment(view: View, order_id: str) -> Document:
    """The shipment of the order. Raises NotFound."""
    if shipment := get_shipment(view, order_id):
        return shipment
    raise NotFound(f"There is no shipment {order_id[:40]}.")


def has_left(view: View, order_id: str) -> bool:
    """Whether the carrier has the order's goods.

    True a moment before the order itself becomes shipped, and also after the order was deleted.
    """
    return is_sent(get_shipment(view, order_id))


def is_sent(shipment: Document | None) -> TypeGuard[Document]:
    """Whether there is a shipment, and the carrier has it."""
    return shipment is not None and shipment["state"] in SENT


def can_be_changed(view: View, order: Document) -> bool:
    """Whether the order is open and its goods have not left."""
    return order["status"] in OPEN and not has_left(view, order["order_id"])


def recent_carriers(view: View) -> list[str]:
    """The carriers of the newest orders that have left, each once, that of the last one first."""
    sent = view.find(
        SHIPMENTS.name, {"state": frozenset(SENT)}, limit=HANDOVERS_READ, descending=True
    ).documents
    sent.sort(key=itemgetter("shipped_at"), reverse=True)
    return list(dict.fromkeys(shipment["carrier"] for shipment in sent))
