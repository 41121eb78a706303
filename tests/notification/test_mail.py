"""What customers are written, and what becomes of a mail that is sent again."""

import mailbox
from email import message_from_string
from email.message import Message
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from app.events.types import EVENT_TYPES, Envelope
from app.notification.handlers import TEMPLATES, Notifier
from app.notification.maildir import Maildir
from app.store import Document

TEA = {"product": "tea", "name": "Assam", "quantity": 2, "amount": "4.50", "line_total": "9.00"}
ORDER: Document = {
    "order_id": "order-1",
    "number": 1001,
    "customer_name": "Ann",
    "customer_email": "ann@example.com",
    "items": [TEA],
    "currency": "EUR",
    "total_amount": "9.00",
}


class Outbox:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []

    def send(self, message: Message, name: str) -> None:
        self.sent.append((name, message))


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def notifier(outbox: Outbox) -> Notifier:
    return Notifier(outbox, "Daybook <shop@localhost>")


def event(event_type: str = "order.placed", /, reason: str = "", **order: object) -> Envelope:
    data = {"order": ORDER | order, "reason": reason}
    return Envelope("event-1", "/orders", event_type, "2026-11-21T08:00:00.000Z", "order-1", data)


def text_of(message: Message) -> str:
    text = message.get_payload(decode=True)
    assert isinstance(text, bytes)
    return text.decode()


def test_a_placed_order_is_confirmed_to_the_customer(notifier: Notifier, outbox: Outbox) -> None:
    """To whom, from whom, about what, and every line with its price."""
    notifier.on_order_event(event())
    [(_, message)] = outbox.sent
    assert (message["To"], message["From"]) == ("ann@example.com", "Daybook <shop@localhost>")
    assert message["Subject"] == "Your order 1001"
    assert parsedate_to_datetime(message["Date"]).isoformat() == "2026-11-21T08:00:00+00:00"
    assert text_of(message).startswith("Dear Ann,\n")
    assert "2 x Assam at 4.50: 9.00\nTotal: 9.00 EUR\n" in text_of(message)


@pytest.mark.parametrize(
    ("event_type", "subject"),
    [
        ("order.updated", "Your order 1001 was changed"),
        ("order.cancelled", "Your order 1001 was cancelled"),
        ("order.deleted", "Your order 1001 was deleted"),
    ],
)
def test_each_change_of_an_order_has_its_mail(
    notifier: Notifier, outbox: Outbox, event_type: str, subject: str
) -> None:
    """Changed, cancelled, deleted."""
    notifier.on_order_event(event(event_type))
    assert outbox.sent[0][1]["Subject"] == subject


def test_there_is_a_template_for_each_event_that_notification_handles() -> None:
    """A new event without a text would end in failure.json."""
    assert set(TEMPLATES) == {
        each.type for each in EVENT_TYPES if "notification" in each.handled_by
    }


def test_the_reason_for_cancelling_is_told(notifier: Notifier, outbox: Outbox) -> None:
    notifier.on_order_event(event("order.cancelled", reason="not in stock"))
    assert "was cancelled: not in stock.\n" in text_of(outbox.sent[0][1])


def test_no_address_no_mail(notifier: Notifier, outbox: Outbox) -> None:
    """An order may have no e-mail address; that is no failure."""
    notifier.on_order_event(event(customer_email=None))
    assert outbox.sent == []


def test_the_mail_tells_what_was_then_not_what_is_now(notifier: Notifier, outbox: Outbox) -> None:
    """A late mail has the event's own date and lines."""
    notifier.on_order_event(event(total_amount="1.00"))
    assert "Total: 1.00 EUR" in text_of(outbox.sent[0][1])


def test_the_same_event_makes_the_same_mail(notifier: Notifier, outbox: Outbox) -> None:
    """A mail that is sent twice has one Message-ID, so that mail programs can tell."""
    notifier.on_order_event(event())
    notifier.on_order_event(event())
    (first, one), (second, other) = outbox.sent
    assert first == second
    assert one["Message-ID"] == other["Message-ID"] == "<event-1.notification@daybook>"
    assert bytes(one) == bytes(other)


def test_names_and_wares_of_all_the_world_arrive(tmp_path: Path) -> None:
    """UTF-8 in addresses, names and text, and markup left as it was typed."""
    notifier = Notifier(Maildir(tmp_path / "mail"), "Tête-à-thé <shop@localhost>")
    tea = TEA | {"name": "抹茶 <b>&</b>"}
    order = event(customer_name="Zoë Übel", customer_email="zoë@example.com", items=[tea])
    notifier.on_order_event(order)
    raw = (tmp_path / "mail/new/event-1.notification").read_bytes()
    message = message_from_string(raw.decode(), policy=default)
    assert message["To"].addresses[0].addr_spec == "zoë@example.com"
    assert message["From"].addresses[0].display_name == "Tête-à-thé"
    assert "Dear Zoë Übel," in message.get_content()
    assert "抹茶 <b>&</b>" in message.get_content()


def test_a_header_cannot_be_smuggled_in(notifier: Notifier) -> None:
    """A line break in an address is refused much earlier; should one come through, no mail goes."""
    with pytest.raises(ValueError, match="line break"):
        notifier.message(event(customer_email="ann@example.com\nBcc: all@example.com"))


def test_a_maildir_is_read_by_other_programs(notifier: Notifier, tmp_path: Path) -> None:
    """The standard library's reader finds the message as new."""
    Maildir(tmp_path / "data/mail").send(notifier.message(event()), "one")
    [message] = mailbox.Maildir(tmp_path / "data/mail", create=False)
    assert message["Subject"] == "Your order 1001"
    assert message.get_subdir() == "new"


def test_the_same_mail_again_is_one_file(notifier: Notifier, tmp_path: Path) -> None:
    """Delivering twice under one name replaces; nothing is left over in tmp."""
    maildir = Maildir(tmp_path / "mail")
    for _ in range(3):
        maildir.send(notifier.message(event()), "one")
    assert [path.name for path in (tmp_path / "mail/new").iterdir()] == ["one"]
    assert list((tmp_path / "mail/tmp").iterdir()) == []


def test_mail_is_for_the_owner_of_the_folder_only(notifier: Notifier, tmp_path: Path) -> None:
    """Letters to customers are nobody else's business."""
    Maildir(tmp_path / "mail").send(notifier.message(event()), "one")
    assert (tmp_path / "mail/new/one").stat().st_mode & 0o077 == 0
    assert (tmp_path / "mail/new").stat().st_mode & 0o077 == 0


def test_a_maildir_that_was_made_in_part_is_completed(notifier: Notifier, tmp_path: Path) -> None:
    """A crash between the first folder and the last does not hold up mail for ever."""
    path = tmp_path / "mail"
    (path / "tmp").mkdir(parents=True)
    Maildir(path).send(notifier.message(event()), "event-1.notification")
    assert [each.name for each in (path / "new").iterdir()] == ["event-1.notification"]


def test_a_folder_that_cannot_be_had_is_an_error_that_can_pass(
    notifier: Notifier, tmp_path: Path
) -> None:
    """OSError: tried again, and waited out by the breaker."""
    (tmp_path / "mail").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="mail"):
        Maildir(tmp_path / "mail").send(notifier.message(event()), "one")
