"""What notification does when an order is placed, changed, cancelled or deleted: it writes to the customer.

The mail tells of the event, not of what the order has become since, so its text comes from the
event's own data. It runs outside the store and may run twice: the Message-ID is the event's id.
"""

from email.message import EmailMessage
from typing import Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined

from app import clock
from app.events.types import Envelope, OrderCancelled, OrderDeleted, OrderPlaced, OrderUpdated

TEMPLATES = {
    OrderPlaced.type: "placed.txt",
    OrderUpdated.type: "changed.txt",
    OrderCancelled.type: "cancelled.txt",
    OrderDeleted.type: "deleted.txt",
}

# plain text, not HTML: nothing to escape
_texts = Environment(
    loader=PackageLoader("app.notification"),
    undefined=StrictUndefined,
    autoescape=False,
    trim_blocks=True,
)


class Transport(Protocol):
    """Takes a message to where it is read. Raises OSError when that cannot be done now."""

    def send(self, message: EmailMessage, name: str) -> None:
        """Deliver `message`; `name` is the same whenever it is the same message."""


class Notifier:
    """Sends mail from one address by one transport."""

    def __init__(self, transport: Transport, sender: str) -> None:
        self._transport = transport
        self._sender = sender

    def on_order_event(self, event: Envelope) -> None:
        """Write to the customer; an order without an e-mail address gets none. Raises OSError."""
        if event.data["order"]["customer_email"]:
            self._transport.send(self.message(event), f"{event.id}.notification")

    def message(self, event: Envelope) -> EmailMessage:
        """The mail that tells of `event`."""
        order = event.data["order"]
        text = _texts.get_template(TEMPLATES[event.type]).render(event.data)
        subject, _, body = text.partition("\n\n")
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = order["customer_email"]
        message["Subject"] = subject.removeprefix("Subject: ")
        message["Date"] = clock.parsed(event.time)
        message["Message-ID"] = f"<{event.id}.notification@daybook>"
        message.set_content(body)
        return message
