"""Every event type: when it is emitted, what its data means, and which handlers it must reach.

This is the contract between the services. `data.order` is the order as it is after the event: that
of order.delivered has the status delivered. Its `version` and `order_update` are those of the
stored order when the event was emitted; orders updates the stored one when it handles the event.
The application refuses to start when a handler that is listed here is not connected; the outbox
record of an event lists exactly these handlers.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from app.kernel.shipping_address import ADDRESS
from app.store import Document
from app.store.long_list import EARLIER_PAGES


@dataclass(frozen=True)
class Event:
    """Something that happened to the order (by id) or product (by sku) in `subject`."""

    type: ClassVar[str]
    source: ClassVar[str]
    handled_by: ClassVar[tuple[str, ...]]

    has_timeline: ClassVar[bool]
    """Whether the event is in its subject's timeline. A product's timeline would grow for ever."""

    subject: str
    data: Document

    def __init_subclass__(cls, *, type: str, source: str, has_timeline: bool = True) -> None:
        """Set the class variables that the class line of an event gives."""
        cls.type, cls.source, cls.has_timeline = type, source, has_timeline


class OrderPlaced(Event, type="order.placed", source="/orders"):
    """An order was created. `data.order`: the order as placed."""

    handled_by = ("inventory", "billing", "notification")


class OrderUpdated(Event, type="order.updated", source="/orders"):
    """Lines or customer of an order were changed. `data.order`: the order after the change."""

    handled_by = ("inventory", "billing", "shipping", "notification")


class OrderCancelled(Event, type="order.cancelled", source="/orders"):
    """An order was cancelled or failed. `data.order`: the order afterwards; `data.reason`: why."""

    handled_by = ("inventory", "billing", "shipping", "notification")


class OrderDeleted(Event, type="order.deleted", source="/orders"):
    """An order was deleted. `data.order`: its last state; `data.by`: the person who deleted it."""

    handled_by = ("inventory", "billing", "shipping", "notification")


class CustomerForgotten(Event, type="customer.forgotten", source="/orders"):
    """The customer's personal data was erased from the order, its events, and all else about it.

    Other systems, which earlier events told of the customer, erase what they keep too.
    `data.order_id` and `data.number` name the order, which may be deleted; `data.order` is missing.
    """

    handled_by = ("privacy",)


class InventoryReserved(Event, type="inventory.reserved", source="/inventory"):
    """Every line of the order is reserved.

    `data.order`: the order for which stock was reserved, confirmed; `data.was`: its status before;
    `data.number`, `data.version`: its own.
    """

    handled_by = ("orders", "shipping", "notification")


class InventoryBackordered(Event, type="inventory.backordered", source="/inventory"):
    """Stock is short for some line, so nothing is reserved.

    `data.short`: [{product, wanted, available, backorder}]; the rest as in inventory.reserved. The
    order waits when every short product may be back-ordered; else it keeps its status here, and
    order.cancelled follows.
    """

    handled_by = ("orders", "shipping", "notification")


class StockFreed(Event, type="inventory.stock_freed", source="/inventory", has_timeline=False):
    """More orders wait for a product that is in stock again than one transaction may handle.

    `subject` is the sku; `data.after`: the position in the queue of waiting orders to go on from.
    """

    handled_by = ("inventory",)


class ProductUpdated(Event, type="product.updated", source="/inventory", has_timeline=False):
    """Price, name or stock status of a product changed, or it was added, archived or brought back.

    `data.product`: the product as it is now. It has no handler: websites read it from the feed.
    """

    handled_by = ()


class ProductLowStock(Event, type="product.low_stock", source="/inventory", has_timeline=False):
    """The available quantity of a product has fallen to its threshold.

    Emitted once for each crossing from above. `subject` is the sku; `data.product`: the product as
    it is now.
    """

    handled_by = ("notification",)


class ProductLowStockDigest(
    Event, type="product.low_stock_digest", source="/inventory", has_timeline=False
):
    """The daily list of products that are low on stock; not emitted when there are none.

    DAYBOOK_LOW_STOCK_CHECK sets the time of day. `subject` is the day (2026-11-21).
    `data.products`: the products at or below their threshold, those out of stock first, 1000 at
    most; `data.count`: how many there are.
    """

    handled_by = ("notification",)


class PaymentCaptured(Event, type="payment.captured", source="/billing"):
    """The gateway captured a payment for the order.

    `data.order`: the order with its new payment_status; `data.payment`: {payment_id, kind, amount,
    at, …}, the amount of this payment; `data.paid`: the sum paid so far, less refunds;
    `data.payments`: all payments so far, this one included; `data.invoice_number`. Emitted once
    more, with the last payment, when a change brings an order's total back to the sum paid:
    `data.again` is then true, and no money has moved.
    """

    handled_by = ("orders", "shipping", "notification")


class PaymentFailed(Event, type="payment.failed", source="/billing"):
    """The gateway declined a payment for good. `data` as in payment.captured; `data.reason`: why.

    `data.paid` is above zero when the order had been paid before a change made it cost more.
    """

    handled_by = ("orders", "notification")


class PaymentRefunded(Event, type="payment.refunded", source="/billing"):
    """The gateway refunded: the order ended, or costs less. `data` as in payment.captured."""

    handled_by = ("orders", "notification")


class OrderFulfilled(Event, type="order.fulfilled", source="/shipping"):
    """The order was handed to the carrier.

    `data.order`: the order, shipped; `data.shipment`: {shipment_id, carrier,
    tracking_number, lines}.
    """

    handled_by = ("inventory", "orders", "notification")


class OrderDelivered(Event, type="order.delivered", source="/shipping"):
    """The carrier reports that the order has arrived. `data` as in order.fulfilled."""

    handled_by = ("orders", "notification")


class WebhookDisabled(Event, type="webhook.disabled", source="/webhooks", has_timeline=False):
    """The service disabled a webhook endpoint: its receiver wants no more, or failed for days.

    `subject` is the endpoint's id; `data.webhook`: its id, types, description and disabled_reason,
    without the URL.
    """

    handled_by = ("notification",)


EVENT_TYPES = tuple(Event.__subclasses__())
"""Every event type, in the order of this page."""


_ONLY_IN_ORDERS = frozenset({"history", EARLIER_PAGES, ADDRESS})


def order_data(order: Document, **changes: object) -> Document:
    """The order as event data carries it: without history and shipping address, with `changes`.

    The address is personal and no handler's input, so it is in the order alone.
    An event of another service than orders says what the order will be once orders has handled it;
    until then the stored order lags behind.
    """
    kept = {name: order[name] for name in order if name not in _ONLY_IN_ORDERS}
    return kept | changes


TYPES_WITHOUT_TIMELINE = frozenset(each.type for each in EVENT_TYPES if not each.has_timeline)


@dataclass(frozen=True)
class Envelope:
    """An event as it is stored and given to handlers (CloudEvents 1.0)."""

    id: str
    source: str
    type: str
    time: str
    subject: str
    data: Document
    traceparent: str = ""
    """The span in which it was emitted, as W3C Trace Context writes it; "" without a trace."""

    @property
    def order_keys(self) -> tuple[str, ...]:
        """The keys of its order: the id, and the number (as text) if the data has it."""
        number = self.data.get("order", self.data).get("number")
        return (self.subject,) if number is None else (self.subject, str(number))

    def as_cloudevent(self) -> dict[str, Any]:
        """The envelope as a CloudEvents JSON object, with the distributed tracing extension."""
        traced = {"traceparent": self.traceparent} if self.traceparent else {}
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": self.time,
            "subject": self.subject,
            **traced,
            "datacontenttype": "application/json",
            "data": self.data,
        }

    @classmethod
    def from_cloudevent(cls, event: Document) -> "Envelope":
        """The envelope of a stored CloudEvents object."""
        names = ("id", "source", "type", "time", "subject", "data")
        traceparent = event.get("traceparent", "")
        return cls(**{name: event[name] for name in names}, traceparent=traceparent)
