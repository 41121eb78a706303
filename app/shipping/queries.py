"""Read access to shipments for the other services and the pages."""

from app.kernel.errors import NotFound
from app.kernel.order_states import SENT
from app.shipping.documents import SHIPMENTS
from app.store import Document, View


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
    shipment = get_shipment(view, order_id)
    return shipment is not None and shipment["state"] in SENT
