"""The states of a shipment: waiting ⇄ ready → shipped → delivered."""

from app.kernel.order_states import DELIVERED, SENT, SHIPPED

__all__ = ["DELIVERED", "READY", "SENT", "SHIPPED", "STATES", "WAITING"]

WAITING, READY = "waiting", "ready"
STATES = (WAITING, READY, SHIPPED, DELIVERED)
