"""The event handler of billing.

It is a RequestReplyHandler: each request is recorded in the invoice before the gateway gets it, and
the gateway's response is recorded together with the outcome of the delivery.
"""

from app.billing import service
from app.billing.gateway import Charge, PaymentGateway, Refund, Response
from app.events.registry import RequestReplyHandler
from app.events.types import Envelope
from app.store import Transaction


def billing(gateway: PaymentGateway) -> RequestReplyHandler:
    """The handler, which sends its requests to `gateway`."""
    return RequestReplyHandler("billing", on_order_event, gateway.submit)


def on_order_event(
    tx: Transaction, event: Envelope, response: Response | None
) -> Charge | Refund | None:
    """Bring invoice and payments to what the order says now, whatever the event says."""
    return service.reconcile_invoice(tx, event.subject, response, last_known=event.data["order"])
