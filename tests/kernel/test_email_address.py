"""An address that the API accepts is one to which the mailer sends, and the other way round."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.config.readers import MAILS
from app.events.registry import Skipped
from app.kernel.email_address import mail_address
from app.notification.handlers import Notifier
from app.notification.transport import Mail
from app.orders.schemas import OrderSchema
from app.schema.fields import EmailAddress
from tests.notification.conftest import about

PARTS = st.text(
    st.sampled_from("aZ9.-_+'\"\\@ <>[](),:;\u200b\u00ad\u00e9\u05d0\u0915ß𝕏\r\n\x85"), max_size=12
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
ADDRESSES = st.builds("{}@{}".format, PARTS | NAMES, PARTS | NAMES | st.just("example.org")) | PARTS


class LastMail:
    """A transport that keeps the last mail."""

    mail: Mail | None = None

    def send(self, mail: Mail) -> None:
        """See Transport."""
        self.mail = mail


@given(ADDRESSES)
@example('"a@b"@example.org')
@example("ann@exa\u200bmple.org")
@example("ann@bücher.example")
@example("jörg@bücher.example")
@example("ann@example.org.")
@example("ann@[127.0.0.1]")
@example("ann@localhost")
@example("ann@example")
def test_the_api_accepts_what_the_mailer_sends_to(text: str) -> None:
    """An address passes both or neither, and the mail has one recipient."""
    try:
        accepted = EmailAddress().deserialize(text)
    except ValidationError:
        accepted = None
    transport = LastMail()
    notifier = Notifier(transport, "shop@localhost", enabled=MAILS)
    try:
        notifier.on_event(about(customer_email=accepted or text))
    except (ValueError, Skipped):
        assert accepted is None
    else:
        assert accepted is not None
        assert transport.mail
        assert transport.mail.data.startswith(f"To: {transport.mail.recipient}\nFrom: ".encode())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ann.O'Hara+shop@Example.org", "Ann.O'Hara+shop@example.org"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("jörg@bücher.example", "jörg@bücher.example"),
        ("boss@localhost", "boss@localhost"),
        ("boss@mail.local", "boss@mail.local"),
    ],
)
def test_a_domain_is_sent_encoded(text: str, address: str) -> None:
    """Mail servers without SMTPUTF8 take an address whose local part is ASCII."""
    assert mail_address(text) == address


def test_addresses_that_older_versions_stored_are_read() -> None:
    """A folder with an address that is refused today still opens."""
    stored = OrderSchema().fields["customer_email"]
    assert stored.deserialize('"a@b"@example.org') == '"a@b"@example.org'
