"""Every event: when it is emitted, what its data means, and who has to handle it.

This is the contract between the services. The service refuses to start when a handler that is
named here is missing, and the outbox of an event lists exactly these handlers.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from app.store import Document


@dataclass(frozen=True)
class Event:
    """Something that happened. `subject` is the order id or the sku it happened to."""

    type: ClassVar[str]
    source: ClassVar[str]
    handled_by: ClassVar[tuple[str, ...]]

    has_timeline: ClassVar[bool] = True
    """Whether the event stands in its subject's timeline. A product's would grow for ever."""

    subject: str
    data: Document


class OrderPlaced(Event):
    """An order was created. `data.order`: the order as placed."""

    type = "order.placed"
    source = "/orders"
    handled_by = ("inventory", "billing", "notification")


class OrderUpdated(Event):
    """Lines or customer of an order were changed. `data.order`: the order after the change."""

    type = "order.updated"
    source = "/orders"
    handled_by = ("inventory", "billing", "shipping", "notification")


class OrderCancelled(Event):
    """An order was cancelled, or failed. `data.order`: the order after it; `data.reason`: why."""

    type = "order.cancelled"
    source = "/orders"
    handled_by = ("inventory", "billing", "shipping", "notification")


class OrderDeleted(Event):
    """An order was removed. `data.order`: the order as it last was; `data.by`: who removed it."""

    type = "order.deleted"
    source = "/orders"
    handled_by = ("inventory", "billing", "shipping", "notification")


class InventoryReserved(Event):
    """Every line of the order is reserved.

    `data.order`: the order that was looked at; `data.number` and `data.version`: those of it.
    """

    type = "inventory.reserved"
    source = "/inventory"
    handled_by = ("orders", "shipping", "notification")


class InventoryBackordered(Event):
    """Some line is short, so nothing is reserved.

    `data.short`: [{product, wanted, available, backorder}]; the rest as of inventory.reserved. The
    order waits when every short product may be back-ordered, else it fails.
    """

    type = "inventory.backordered"
    source = "/inventory"
    handled_by = ("orders", "shipping", "notification")


class StockFreed(Event):
    """More orders wait for a product that is there again than one transaction may look at.

    `subject` is the sku; `data.after`: where the queue goes on.
    """

    type = "inventory.stock_freed"
    source = "/inventory"
    handled_by = ("inventory",)
    has_timeline = False


class ProductUpdated(Event):
    """Price, name or stock status of a product changed, or it was added, archived or brought back.

    `data.product`: the product as it is now. Nobody has to handle it: websites ask for these
    events.
    """

    type = "product.updated"
    source = "/inventory"
    handled_by = ()
    has_timeline = False


class ProductLowStock(Event):
    """What is available of a product has fallen to its threshold; once for each crossing.

    It crosses again once it has been above. `subject` is the sku.

    `data.product`: the product as it is now.
    """

    type = "product.low_stock"
    source = "/inventory"
    handled_by = ("notification",)
    has_timeline = False


class ProductLowStockDigest(Event):
    """Once a day: what is low, at the time that DAYBOOK_LOW_STOCK_CHECK sets; not if nothing is.

    `subject` is the day (2026-11-21). `data.products`: the products at or below their threshold,
    what is out of stock first, 1000 at most; `data.count`: how many there are.
    """

    type = "product.low_stock_digest"
    source = "/inventory"
    handled_by = ("notification",)
    has_timeline = False


class PaymentCaptured(Event):
    """The gateway took money for the order.

    `data.order`: the order as billing saw it; `data.payment`: {payment_id, kind, amount, at, …},
    the amount of this payment; `data.paid`: what has been paid in all, less refunds;
    `data.payments`: all payments that were made, this one included; `data.invoice_number`. Told
    once more, with the last payment, when a change brings an order back to what had been paid:
    `data.again` then is true, and no money has moved.
    """

    type = "payment.captured"
    source = "/billing"
    handled_by = ("orders", "shipping", "notification")


class PaymentFailed(Event):
    """The gateway declined, for good. `data` as of payment.captured; `data.reason`: why.

    A `data.paid` above zero says that the order was paid before it came to cost more.
    """

    type = "payment.failed"
    source = "/billing"
    handled_by = ("orders", "notification")


class PaymentRefunded(Event):
    """Money went back: the order ended, or costs less now. `data` as of payment.captured."""

    type = "payment.refunded"
    source = "/billing"
    handled_by = ("orders", "notification")


class OrderFulfilled(Event):
    """The order was handed to the carrier.

    `data.order`: the order as it was then; `data.shipment`: {shipment_id, carrier,
    tracking_number, lines}.
    """

    type = "order.fulfilled"
    source = "/shipping"
    handled_by = ("inventory", "orders", "notification")


class OrderDelivered(Event):
    """The carrier says that the order has arrived. `data` as of order.fulfilled."""

    type = "order.delivered"
    source = "/shipping"
    handled_by = ("orders", "notification")


EVENT_TYPES: tuple[type[Event], ...] = (
    OrderPlaced,
    OrderUpdated,
    OrderCancelled,
    OrderDeleted,
    InventoryReserved,
    InventoryBackordered,
    StockFreed,
    ProductUpdated,
    ProductLowStock,
    ProductLowStockDigest,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    OrderFulfilled,
    OrderDelivered,
)


def snapshot(order: Document) -> Document:
    """The order as events carry it: all but the history."""
    return {name: value for name, value in order.items() if name != "history"}


TIMELESS = frozenset(event.type for event in EVENT_TYPES if not event.has_timeline)
"""The types of events that stand in no timeline."""


@dataclass(frozen=True)
class Envelope:
    """An event as it is stored and handed to handlers: CloudEvents 1.0 in JSON."""

    id: str
    source: str
    type: str
    time: str
    subject: str
    data: Document
    traceparent: str = ""
    """The span that it was emitted in, as W3C Trace Context writes it; "" when nobody traced it."""

    @property
    def order_keys(self) -> tuple[str, ...]:
        """What an operator may call its order: the id, and the number where the data tells it."""
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
        """The envelope that a stored CloudEvents object stands for."""
        names = ("id", "source", "type", "time", "subject", "data")
        traceparent = event.get("traceparent", "")
        return cls(**{name: event[name] for name in names}, traceparent=traceparent)
