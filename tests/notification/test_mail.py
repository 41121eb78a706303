"""The rendered mails, and their delivery into a Maildir folder."""

import mailbox
from dataclasses import fields
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from app.config import Config
from app.config.readers import MAILS
from app.events.types import EVENT_TYPES
from app.notification.handlers import Notifier
from app.notification.mail_templates import TEMPLATES
from app.notification.maildir import Maildir
from app.notification.message import format_headers
from app.notification.transport import Mail
from tests.notification.conftest import TEA, about, event, parsed, text_of

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 20


class RecordingTransport:
    """A transport that records the mails it is given."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    def send(self, mail: Mail) -> None:
        self.sent.append(mail)


@pytest.fixture
def transport() -> RecordingTransport:
    return RecordingTransport()


@pytest.fixture
def notifier(transport: RecordingTransport) -> Notifier:
    """A notifier with all mail templates enabled."""
    return Notifier(
        transport,
        "Daybook <shop@localhost>",
        enabled=MAILS,
        manager="boss@localhost",
        receipt=lambda _event: PDF,
    )


def test_a_placed_order_is_confirmed_by_mail(
    notifier: Notifier, transport: RecordingTransport
) -> None:
    """Recipient, sender, subject, and every line with its price, as text and as HTML."""
    notifier.on_event(event())
    [mail] = transport.sent
    assert (mail.sender, mail.recipient) == ("shop@localhost", "ann@example.com")
    message = parsed(mail.data)
    assert (message["To"], message["From"]) == ("ann@example.com", "Daybook <shop@localhost>")
    assert message["Subject"] == "Your order 1001"
    assert message["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(message["Date"]).isoformat() == "2026-11-21T08:00:00+00:00"
    assert message.get_content_type() == "multipart/alternative"
    assert text_of(message).startswith("Dear Ann,\n")
    assert "2 x Assam at 4.50: 9.00\nTotal: 9.00 EUR\n" in text_of(message)
    assert "<td>Assam</td>" in text_of(message, "html")


EVENTS = {
    "placed": event(),
    "changed": event("order.updated"),
    "cancelled": event("order.cancelled", {"reason": "ordered twice"}),
    "deleted": event("order.deleted"),
    "confirmed": event("inventory.reserved"),
    "available": about("inventory.reserved", status="backordered"),
    "backordered": event(
        "inventory.backordered",
        {"short": [{"product": "tea", "wanted": 2, "available": 1, "backorder": True}]},
    ),
    "declined": event(
        "payment.failed", {"payment": {"amount": "9.00"}, "reason": "insufficient funds"}
    ),
    "refunded": event("payment.refunded", {"payment": {"amount": "4.50"}}),
    "receipt": event("payment.captured", {"payment": {"amount": "9.00"}}),
    "shipped": event(
        "order.fulfilled", {"shipment": {"carrier": "DHL", "tracking_number": "JD0146"}}
    ),
    "delivered": event(
        "order.delivered", {"shipment": {"carrier": "DHL", "tracking_number": "JD0146"}}
    ),
    "low_stock": event(
        "product.low_stock",
        {"product": {"sku": "mug", "name": "Mug", "available": 2, "low_stock_threshold": 3}},
    ),
    "low_stock_digest": event(
        "product.low_stock_digest",
        {
            "products": [{"sku": "mug", "name": "Mug", "available": 2, "low_stock_threshold": 3}],
            "count": 1,
        },
    ),
    "webhook_disabled": event(
        "webhook.disabled",
        {
            "webhook": {
                "webhook_id": "01a22685-c68b-75fe-903b-1e7a3bed1f46",
                "description": "the warehouse",
                "disabled_reason": "the receiver answered 410 (Gone)",
            }
        },
    ),
}


@pytest.mark.parametrize(
    ("template", "subject", "line"),
    [
        ("changed", "Your order 1001 was changed", "It now reads:\n"),
        ("cancelled", "Your order 1001 was cancelled", "was cancelled: ordered twice.\n"),
        ("deleted", "Your order 1001 was deleted", "was deleted. Nothing will be sent.\n"),
        ("confirmed", "Your order 1001 is confirmed", "have put it aside for you:\n"),
        ("available", "Your order 1001 is complete now", "what you have waited for has come"),
        ("backordered", "Your order 1001 has to wait", "this has come:\n\nAssam\n"),
        ("declined", "The payment of your order 1001 was declined", "insufficient funds.\n"),
        ("refunded", "We have paid back 4.50 EUR", "4.50 EUR of your order 1001.\n"),
        ("receipt", "Receipt for your order 1001", "The receipt is attached.\n"),
        ("shipped", "Your order 1001 is on its way", "Carrier: DHL\nTracking number: JD0146\n"),
        ("delivered", "Your order 1001 was delivered", "DHL says that your order 1001"),
        ("low_stock", "Low stock: Mug", "2 available, the threshold is 3.\n"),
        ("low_stock_digest", "Low stock: 1 product", "Mug (mug): 2 available"),
        (
            "webhook_disabled",
            "A webhook was disabled: the warehouse",
            "the webhook the warehouse: the receiver answered 410 (Gone).",
        ),
    ],
)
def test_each_event_has_its_mail(
    notifier: Notifier, transport: RecordingTransport, template: str, subject: str, line: str
) -> None:
    """Text and HTML have the message, and the name of the shop below it."""
    notifier.on_event(EVENTS[template])
    message = parsed(transport.sent[0].data)
    assert message["Subject"] == subject
    assert line in text_of(message)
    assert text_of(message).endswith("\n\nDaybook\n")
    assert f"<title>{subject}</title>" in text_of(message, "html")
    for form in ("plain", "html"):
        assert "{" not in text_of(message, form)
        assert "None" not in text_of(message, form)


def test_every_mail_template_is_tested() -> None:
    """A new mail has its event, its templates and its test."""
    assert EVENTS.keys() == set(MAILS) == set(TEMPLATES.values()) | {"available"}
    handled = {each.type for each in EVENT_TYPES if "notification" in each.handled_by}
    assert handled == TEMPLATES.keys()


def test_the_receipt_is_attached(notifier: Notifier, transport: RecordingTransport) -> None:
    """The PDF is attached byte for byte, beside both forms of the text."""
    notifier.on_event(EVENTS["receipt"])
    message = parsed(transport.sent[0].data)
    [attachment] = message.iter_attachments()
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_filename() == "receipt-1001.pdf"
    content: Any = attachment.get_content()
    assert content == PDF
    assert "we have received 9.00 EUR" in text_of(message)


def test_a_mail_links_to_the_page_of_the_order(transport: RecordingTransport) -> None:
    """A mail has the link if the shop has an address and the order a page that still exists."""
    linking = Notifier(
        transport, "Daybook <shop@localhost>", enabled=MAILS, url="https://tea.example"
    )
    for each in (about(link="1001-Zk3"), about(), about("order.deleted", link="1001-Zk3")):
        linking.on_event(each)
    linked, *others = (parsed(mail.data) for mail in transport.sent)
    assert "as it stands: https://tea.example/orders/1001-Zk3\n\nDaybook\n" in text_of(linked)
    assert '<a href="https://tea.example/orders/1001-Zk3">' in text_of(linked, "html")
    for message in others:
        assert "tea.example" not in text_of(message) + text_of(message, "html")


def test_a_mail_describes_the_event_not_the_present_order(
    notifier: Notifier, transport: RecordingTransport
) -> None:
    """A late mail has the event's own date and lines."""
    notifier.on_event(about(total_amount="1.00"))
    assert "Total: 1.00 EUR" in text_of(parsed(transport.sent[0].data))


@pytest.mark.parametrize("template", EVENTS)
def test_the_same_event_makes_the_same_mail(
    notifier: Notifier, transport: RecordingTransport, template: str
) -> None:
    """Both have the same Message-ID, so that mail programs recognise the copy."""
    notifier.on_event(EVENTS[template])
    notifier.on_event(EVENTS[template])
    first, second = transport.sent
    assert first == second
    assert parsed(first.data)["Message-ID"] == "<event-1.notification@daybook>"


def test_text_outside_ascii_is_encoded(transport: RecordingTransport) -> None:
    """Addresses, names, subjects and text are encoded."""
    sender = "Tête-à-thé <shop@localhost>"
    notifier = Notifier(transport, sender, enabled=MAILS, manager="boß@localhost")
    tea = TEA | {"name": "抹茶 " * 30}
    notifier.on_event(about(customer_name="Zoë Übel", items=[tea]))
    message = parsed(transport.sent[0].data)
    assert message["From"].addresses[0].display_name == "Tête-à-thé"
    assert "Dear Zoë Übel," in text_of(message)
    for form in ("plain", "html"):
        assert "抹茶 抹茶" in text_of(message, form)
    product = EVENTS["low_stock"].data["product"] | {"name": "抹茶 für alle, " * 9}
    notifier.on_event(event("product.low_stock", {"product": product}))
    assert transport.sent[1].recipient == "boß@localhost"
    assert "\nTo: boß@localhost\n" in "\n" + transport.sent[1].data.decode()
    lines = transport.sent[1].data.split(b"\n")
    assert max(len(line) for line in lines) <= 78
    subject = parsed(transport.sent[1].data.replace("boß".encode(), b"boss"))["Subject"]
    assert subject == f"Low stock: {product['name']}"


def test_markup_in_typed_text_is_escaped(notifier: Notifier, transport: RecordingTransport) -> None:
    """The HTML has it escaped; the plain text has it as typed."""
    typed = "<script>alert('&')</script>"
    notifier.on_event(about(customer_name=typed, items=[TEA | {"name": typed}]))
    message = parsed(transport.sent[0].data)
    assert f"Dear {typed}," in text_of(message)
    assert typed not in text_of(message, "html")
    assert "&lt;script&gt;" in text_of(message, "html")


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com\nBcc: all@example.com",
        "ann@example.com\r\nBcc: all@example.com",
        "ann@example.com, all@example.com",
        "ann@example.com all@example.com",
        "<ann@example.com>",
        "ann@example.com\x85Bcc: all@example.com",
        "ann",
    ],
)
def test_an_address_is_one_address(
    notifier: Notifier, transport: RecordingTransport, address: str
) -> None:
    """An address that would inject a header or a recipient is refused, and no mail is sent."""
    with pytest.raises(ValueError, match="e-mail address"):
        notifier.on_event(about(customer_email=address))
    assert transport.sent == []


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\x00"])
def test_no_header_has_a_line_break(notifier: Notifier, end: str) -> None:
    """ValueError for a line break or control character in a header's value."""
    with pytest.raises(ValueError, match="line break"):
        format_headers({"Subject": f"Low stock: {end}Bcc: all@example.com"})
    product = EVENTS["low_stock"].data["product"] | {"name": f"Mug{end}Bcc: all@example.com"}
    with pytest.raises(ValueError, match="line break"):
        notifier.on_event(event("product.low_stock", {"product": product}))


def test_without_a_display_name_the_address_is_the_signature(transport: RecordingTransport) -> None:
    """DAYBOOK_MAIL_FROM may be an address alone."""
    Notifier(transport, "shop@localhost", enabled=MAILS).on_event(event())
    message = parsed(transport.sent[0].data)
    assert message["From"] == "shop@localhost"
    assert text_of(message).endswith("\n\nshop@localhost\n")


def test_a_sender_must_be_a_mailbox(transport: RecordingTransport) -> None:
    """ValueError at the start, not when the first mail is sent."""
    with pytest.raises(ValueError, match="e-mail address"):
        Notifier(transport, "Daybook", enabled=MAILS)


def test_a_maildir_is_read_by_other_programs(tmp_path: Path) -> None:
    """The standard library's reader finds the message as new."""
    deliver(tmp_path / "data/mail")
    [message] = mailbox.Maildir(tmp_path / "data/mail", create=False)
    assert message["Subject"] == "Your order 1001"
    assert message.get_subdir() == "new"


def test_the_same_mail_delivered_again_is_one_file(tmp_path: Path) -> None:
    """It replaces the first; nothing is left in tmp."""
    for _ in range(3):
        deliver(tmp_path / "mail")
    names = [path.name for path in (tmp_path / "mail/new").iterdir()]
    assert names == ["event-1.notification"]
    assert list((tmp_path / "mail/tmp").iterdir()) == []


def test_mail_is_readable_by_the_owner_only(tmp_path: Path) -> None:
    """Neither group nor others may read folders and files."""
    deliver(tmp_path / "mail")
    for path in ("mail", "mail/new", "mail/new/event-1.notification"):
        assert (tmp_path / path).stat().st_mode & 0o077 == 0


def test_an_unusable_folder_is_a_transient_error(tmp_path: Path) -> None:
    """OSError, so the delivery is retried."""
    (tmp_path / "mail").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="mail"):
        deliver(tmp_path / "mail")


def deliver(folder: Path) -> None:
    """Have a mail delivered into the folder."""
    Notifier(Maildir(folder), "Daybook <shop@localhost>", enabled=MAILS).on_event(event())


def test_by_default_all_mails_but_one_are_enabled() -> None:
    """The customer of a placed order needs no second mail that confirms it."""
    (mails,) = (field.default for field in fields(Config) if field.name == "mails")
    assert set(MAILS) - {"confirmed"} == mails


@pytest.mark.parametrize("made", [["tmp"], ["new"], ["cur"], ["tmp", "cur"], ["new", "cur"]])
def test_an_incomplete_maildir_is_completed(tmp_path: Path, made: list[str]) -> None:
    """A crash between creating its folders does not block mail."""
    path = tmp_path / "mail"
    for part in made:
        (path / part).mkdir(parents=True)
    Maildir(path).send(Mail("event-1.notification", "a@shop", "b@shop", b"Subject: x\n\n"))
    assert [each.name for each in (path / "new").iterdir()] == ["event-1.notification"]
