"""The notification handler: sends the mail about an event.

A mail describes the event, not the order's present state, so its text comes from the event's data;
only the recipient's address and the shipping address are the present ones.
The handler runs outside transactions and may run twice: the Message-ID is made of the event's id.
"""

from collections.abc import Callable, Container
from dataclasses import KW_ONLY, dataclass, replace
from email.utils import format_datetime, parseaddr

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from app.events.registry import Skipped
from app.events.types import Envelope
from app.kernel import clock
from app.kernel.email_address import mail_address
from app.kernel.shipping_address import address_lines, address_of
from app.notification import message
from app.notification.mail_templates import recipient_of, template_for
from app.notification.transport import Mail, Transport
from app.orders.queries import get_order
from app.store import View

MAX_LINES = 50
"""The lines of an order in a mail. Mail programs clip a mail of about 100 KB; the order's page and
the receipt have all lines."""

Receipt = Callable[[Envelope], bytes]
"""Renders the receipt of a payment.captured as PDF."""


@dataclass(eq=False)
class Notifier:
    """Sends mail from one address by one transport.

    `enabled` are the mail templates in use; `manager` gets the mails about low stock; `url` is the
    shop's address, for links to an order's page. Raises ValueError when `sender` is not a mailbox.
    """

    transport: Transport
    sender: str
    _: KW_ONLY
    enabled: Container[str]
    manager: str | None = None
    url: str | None = None
    receipt: Receipt | None = None

    def __post_init__(self) -> None:
        """Read the sender's address, and set up the templates."""
        self._from, self._address = message.parse_mailbox(self.sender)
        self._templates = Environment(
            loader=PackageLoader("app.notification"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,  # otherwise each mail checks the template files for changes
        )
        self._templates.globals["max_lines"] = MAX_LINES
        self._templates.globals["shop"] = parseaddr(self.sender)[0] or self._address
        self._templates.globals["address_lines"] = address_lines

    def prepare(self, view: View, event: Envelope) -> Envelope:
        """Return the event with the order's present addresses, which may have been corrected.

        Raises Skipped when there is no mail to send about it, or nobody to send it to.
        """
        order = event.data.get("order", {})
        present = get_order(view, order["order_id"]) if order else None
        if present:
            addresses = {"customer_email": present["customer_email"]} | address_of(present)
            event = replace(event, data=event.data | {"order": order | addresses})
        self._select(event)
        return event

    def skips(self, event: Envelope) -> str:
        """Return why nobody gets a mail about the event; empty where somebody may."""
        try:
            self._template(event)
        except Skipped as reason:
            return str(reason)
        return ""

    def on_event(self, event: Envelope) -> None:
        """Send the mail about `event`. Raises Skipped as `prepare` does.

        Raises OSError, Unavailable and Refused as the transport does, and ValueError for an invalid
        address.
        """
        self.transport.send(self.compose(event))

    def compose(self, event: Envelope) -> Mail:
        """Return the mail about `event`: the same event makes the same bytes.

        Raises Skipped as `prepare` does, and ValueError for an invalid address.
        """
        template, recipient = self._select(event)
        address = mail_address(recipient)
        attachment = self._attachment(event, template)
        data = event.data | {
            "is_receipt_attached": attachment is not None,
            "link": self._link(event, template),
        }
        head, _, text = self._render(f"{template}.txt", data).partition("\n\n")
        subject = head.removeprefix("Subject: ")
        headers = message.format_headers(
            {
                "From": self._from,
                "Subject": subject,
                "Date": format_datetime(clock.parse_time(event.time), usegmt=True),
                "Message-ID": f"<{event.id}.notification@daybook>",
                "Auto-Submitted": "auto-generated",
            }
        )
        composed = message.compose(
            f"To: {address}\n{headers}",
            f"={event.id}=",
            f"{text}\n",
            self._render(f"{template}.html", data | {"subject": subject}),
            attachment,
        )
        return Mail(f"{event.id}.notification", self._address, address, composed)

    def _select(self, event: Envelope) -> tuple[str, str]:
        """Return the mail template and the recipient."""
        template = self._template(event)
        return template, recipient_of(template, event, self.manager)

    def _template(self, event: Envelope) -> str:
        template = template_for(event)
        if template not in self.enabled:
            raise Skipped(f"no mail: DAYBOOK_MAILS does not name {template}")
        return template

    def _render(self, template: str, data: dict[str, object]) -> str:
        return self._templates.get_template(template).render(data)

    def _link(self, event: Envelope, template: str) -> str | None:
        """Return the address of the order's page, if it has one and still exists."""
        link = event.data.get("order", {}).get("link")
        has_page = self.url and link and template != "deleted"
        return f"{self.url}/orders/{link}" if has_page else None

    def _attachment(self, event: Envelope, template: str) -> message.Attachment | None:
        if template != "receipt" or self.receipt is None:
            return None
        filename = f"receipt-{event.data['order']['number']}.pdf"
        return message.Attachment(filename, self.receipt(event))
