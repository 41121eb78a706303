"""The states of a shipment: waiting ⇄ ready → shipped → delivered."""

WAITING, READY, SHIPPED, DELIVERED = "waiting", "ready", "shipped", "delivered"
STATES = (WAITING, READY, SHIPPED, DELIVERED)

SENT = (SHIPPED, DELIVERED)
"""The goods have left the house."""
