"""What notification does with an event: it sends mail.

The mail tells of the event, not of what the order has become since, so its text comes from the
event's own data. It runs outside the store and may run twice: the Message-ID is the event's id.
"""

from collections.abc import Callable, Container
from email.utils import format_datetime, parseaddr

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from app.events.registry import Skipped
from app.events.types import Envelope
from app.kernel import clock
from app.notification.mail_templates import letter_about, recipient_of
from app.notification.message import Attachment, bare_address, composed, header_lines, mailbox
from app.notification.transport import Mail, Transport

Receipt = Callable[[Envelope], bytes]
"""Makes the receipt that belongs to a payment.captured, as PDF."""


class Notifier:
    """Sends mail from one address by one transport.

    `manager` is who hears of low stock; `letters` are those that are sent at all; `url` is where
    customers find the shop. Raises ValueError when `sender` is no mailbox.
    """

    def __init__(
        self,
        transport: Transport,
        sender: str,
        *,
        letters: Container[str],
        manager: str | None = None,
        url: str | None = None,
        receipt: Receipt | None = None,
    ) -> None:
        self._transport = transport
        self._letters = letters
        self._manager = manager
        self._url = url
        self._receipt = receipt
        self._from, self._address = mailbox(sender)
        self._templates = Environment(
            loader=PackageLoader("app.notification"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,  # or each mail would look at the files of its templates
        )
        self._templates.globals["shop"] = parseaddr(sender)[0] or self._address

    def precheck(self, event: Envelope) -> None:
        """Raise Skipped when no mail tells of `event`, or there is nobody to tell."""
        recipient_of(self._letter(event), event, self._manager)

    def on_event(self, event: Envelope) -> None:
        """Send the mail that tells of `event`. Raises Skipped as `consider` does.

        Raises OSError, Unavailable and Refused as the transport does, ValueError for an address
        that cannot be one.
        """
        self._transport.send(self.mail(event, self._letter(event)))

    def mail(self, event: Envelope, letter: str) -> Mail:
        """The mail; the same event and letter make the same bytes."""
        recipient = bare_address(recipient_of(letter, event, self._manager))
        attachment = self._attachment(event, letter)
        told = event.data | {
            "is_receipt_attached": attachment is not None,
            "link": self._link(event, letter),
        }
        subject, _, text = self._rendered(f"{letter}.txt", told).partition("\n\n")
        subject = subject.removeprefix("Subject: ")
        headers = header_lines(
            {
                "From": self._from,
                "Subject": subject,
                "Date": format_datetime(clock.parse_time(event.time), usegmt=True),
                "Message-ID": f"<{event.id}.notification@daybook>",
                "Auto-Submitted": "auto-generated",
            }
        )
        data = composed(
            f"To: {recipient}\n{headers}",
            f"={event.id}=",
            f"{text}\n",
            self._rendered(f"{letter}.html", told | {"subject": subject}),
            attachment,
        )
        return Mail(f"{event.id}.notification", self._address, recipient, data)

    def _letter(self, event: Envelope) -> str:
        letter = letter_about(event)
        if letter not in self._letters:
            raise Skipped(f"no mail: DAYBOOK_MAILS does not name {letter}")
        return letter

    def _rendered(self, template: str, data: dict[str, object]) -> str:
        return self._templates.get_template(template).render(data)

    def _link(self, event: Envelope, letter: str) -> str | None:
        """Where the customer finds the order, if there is a page for it and it still is there."""
        link = event.data.get("order", {}).get("link")
        return f"{self._url}/orders/{link}" if self._url and link and letter != "deleted" else None

    def _attachment(self, event: Envelope, letter: str) -> Attachment | None:
        if letter != "receipt" or self._receipt is None:
            return None
        return Attachment(f"receipt-{event.data['order']['number']}.pdf", self._receipt(event))
