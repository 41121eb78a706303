"""A sample event, which shows at once whether an endpoint receives and verifies."""

from uuid import uuid4

from app.events.types import Envelope
from app.kernel import clock
from app.kernel.errors import Unavailable
from app.store import Document
from app.system.bulkhead import Bulkhead
from app.webhooks.handlers import Message, WebhookHandlers, is_accepted
from app.webhooks.service import active_secrets, shown

SAMPLE_TYPE = "webhook.test"

_SENDING = Bulkhead(4, "Too many samples are being sent at this moment; try again.")


def send_sample(handlers: WebhookHandlers, endpoint: Document) -> Document:
    """Send a sample event to an endpoint, enabled or not; returns how it was answered.

    The sample is not an event of the shop: it is in no list, and is sent once. Raises Unavailable
    while too many samples are being sent.
    """
    data = {"webhook": shown(endpoint)}
    event = Envelope(
        str(uuid4()), "/webhooks", SAMPLE_TYPE, clock.now(), endpoint["webhook_id"], data
    )
    message = Message(endpoint["url"], active_secrets(endpoint), event.as_cloudevent())
    with _SENDING.slot():
        try:
            response = handlers.post(message)
        except Unavailable as error:
            return {"delivered": False, "status": None, "response": str(error)}
    return {
        "delivered": is_accepted(response),
        "status": response.status,
        "response": response.text,
    }
