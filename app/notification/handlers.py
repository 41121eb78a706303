"""What notification does when an order is placed, changed, cancelled or deleted: it sends mail.

The mail tells of the event, not of what the order has become since, so its text comes from the
event's own data. It runs outside the store and may run twice: the Message-ID is the event's id.
"""

from email.charset import QP, Charset
from email.message import Message
from email.mime.text import MIMEText
from email.utils import format_datetime
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

_texts = Environment(
    loader=PackageLoader("app.notification"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701  (plain text, not HTML: nothing to escape)
    trim_blocks=True,
)


_UTF8 = Charset("utf-8")
_UTF8.body_encoding = QP  # readable by eye, and fit for any mail server


class Transport(Protocol):
    """Takes a message to where it is read. Raises OSError when that cannot be done now."""

    def send(self, message: Message, name: str) -> None:
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

    def message(self, event: Envelope) -> Message:
        """The mail that tells of `event`. Raises ValueError for an address with a line break.

        MIMEText, not EmailMessage: that one parses every header it is given, which cost more than
        all other handlers of an order together.
        """
        order = event.data["order"]
        if not order["customer_email"].isprintable():
            raise ValueError("the e-mail address has a line break or another control character")
        text = _texts.get_template(TEMPLATES[event.type]).render(event.data)
        subject, _, body = text.partition("\n\n")
        message = MIMEText(f"{body}\n", "plain", _UTF8)  # type: ignore[arg-type]  # typeshed: str only
        message["From"] = self._sender
        message["To"] = order["customer_email"]
        message["Subject"] = subject.removeprefix("Subject: ")
        message["Date"] = format_datetime(clock.parsed(event.time), usegmt=True)
        message["Message-ID"] = f"<{event.id}.notification@daybook>"
        return message
