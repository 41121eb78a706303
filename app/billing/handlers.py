"""What billing does when an order is placed, changed, cancelled or deleted.

It asks the gateway in turns with the store (see Asking): what it asks is in the invoice, on disk,
before the gateway hears of it; what the gateway answered is kept with the `done` of the event.
"""

from app.billing import service
from app.billing.gateway import Answer, Charge, PaymentGateway, Refund, ask
from app.events.registry import RequestReplyHandler
from app.events.types import Envelope
from app.store import Transaction


def billing(gateway: PaymentGateway) -> RequestReplyHandler:
    """The handler, over that gateway."""
    return RequestReplyHandler("billing", on_order_event, lambda question: ask(gateway, question))


def on_order_event(
    tx: Transaction, event: Envelope, answer: Answer | None
) -> Charge | Refund | None:
    """Bring invoice and payments to what the order says now, whatever the event said."""
    return service.settle(tx, event.subject, answer, last_known=event.data["order"])
