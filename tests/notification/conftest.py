"""Mail servers to send to, and events to send mail about."""

import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
import trustme

from app.events.types import Envelope
from app.store import Document

ROOT = Path(__file__).parents[2]

TEA = {"product": "tea", "name": "Assam", "quantity": 2, "amount": "4.50", "line_total": "9.00"}
ORDER: Document = {
    "order_id": "order-1",
    "number": 1001,
    "customer_name": "Ann",
    "customer_email": "ann@example.com",
    "items": [TEA],
    "currency": "EUR",
    "total_amount": "9.00",
    "status": "placed",
    "payment_status": "pending",
}


def event(event_type: str = "order.placed", /, data: Document | None = None) -> Envelope:
    """An event about ORDER; `data` changes what it carries."""
    carried = {"order": ORDER} | (data or {})
    return Envelope("event-1", "/shop", event_type, "2026-11-21T08:00:00.000Z", "order-1", carried)


def about(event_type: str = "order.placed", /, **order: object) -> Envelope:
    """An event about ORDER, changed."""
    return event(event_type, {"order": ORDER | order, "reason": ""})


def parsed(data: bytes) -> EmailMessage:
    """Parse a mail as a mail program does; fails when its form has defects."""
    message = message_from_bytes(data, policy=default)
    assert [part.defects for part in message.walk() if part.defects] == []
    return message


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """Return the text that a mail program shows."""
    body = message.get_body((kind,))
    assert body
    return str(body.get_content())


class MailServer:
    """A running smtp_server.py."""

    def __init__(self, folder: Path, *certificate: str) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.notification.smtp_server", str(folder), *certificate],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        self.url = f"smtp://127.0.0.1:{self.port}"

    def raw(self) -> list[bytes]:
        """Return the received mails, oldest first."""
        return [path.read_bytes() for path in sorted(self._folder.iterdir())]

    def mails(self) -> list[EmailMessage]:
        """Return the received mails, parsed."""
        return [message_from_bytes(data, policy=default) for data in self.raw()]

    def mails_to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails() if mail["To"] == address]

    def connections(self) -> list[str]:
        """Return the client port of the connection by which each mail came."""
        return [path.name.partition("-")[2] for path in sorted(self._folder.iterdir())]

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def mail_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    """A mail server without TLS that accepts mail from anybody."""
    server = MailServer(tmp_path_factory.mktemp("mails"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The certificate authority of the secure server."""
    return trustme.CA()


@pytest.fixture(scope="module")
def secure_server(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA
) -> Iterator[MailServer]:
    """A mail server that requires STARTTLS and a login."""
    certificate = authority.issue_cert("127.0.0.1")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
    server = MailServer(tmp_path_factory.mktemp("mails"), str(path), str(path))
    yield server
    server.stop()
