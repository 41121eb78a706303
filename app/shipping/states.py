"""The states of a shipment: waiting ⇄ ready → shipped → delivered."""

from app.kernel.order_states import DELIVERED, SHIPPED

WAITING, READY = "waiting", "ready"
STATES = (WAITING, READY, SHIPPED, DELIVERED)
