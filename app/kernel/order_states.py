"""The states of an order, and the groups of them that several services use.

app/orders/states.py says which state may follow which. A shipment that has left uses the same
words, `shipped` and `delivered`.
"""

PLACED = "placed"
"""Recorded; inventory has not reserved the lines yet."""

CONFIRMED = "confirmed"
"""Every line is reserved."""

BACKORDERED = "backordered"
"""Some line is out of stock; the order waits until it arrives."""

SHIPPED = "shipped"
"""Handed to the carrier."""

DELIVERED = "delivered"
"""Received by the customer, according to the carrier."""

CANCELLED = "cancelled"
"""Ended on request, or because a changed order no longer fits the stock."""

FAILED = "failed"
"""Ended because the payment was declined, or for lack of stock."""

STATUSES = (PLACED, CONFIRMED, BACKORDERED, SHIPPED, DELIVERED, CANCELLED, FAILED)

OPEN = (PLACED, CONFIRMED, BACKORDERED)
"""The order may change, be cancelled or be shipped; inventory holds its stock.

A placed order may be shipped as well: inventory can have reserved it a moment before the order
becomes confirmed.
"""

SENT = (SHIPPED, DELIVERED)
"""The carrier has the goods."""

VOIDED = (CANCELLED, FAILED)
"""The order ended without a sale: it holds no stock, and its invoice is void."""

COUNTED = tuple(status for status in STATUSES if status not in VOIDED)
"""The order counts in the revenue."""

PAYMENT_STATUSES = ("pending", "paid", "failed", "refunded")
