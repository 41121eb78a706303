"""The search of the mailbox, and what its list reads."""

from email.message import EmailMessage
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.notification.mailbox import MAX_SEARCHED
from app.notification.maildir import Maildir
from app.notification.transport import Mail
from tests.web.page import Page


def deliver(config: Config, name: str, subject: str, to: str = "ada@example.org") -> None:
    """Put a mail into the folder."""
    message = EmailMessage()
    message["To"], message["Subject"] = to, subject
    message["Date"] = "Sat, 21 Nov 2026 08:00:00 +0000"
    message.set_content("plain words")
    put(config, name, message.as_bytes())


def put(config: Config, name: str, data: bytes) -> None:
    """Put a mail of these bytes into the folder."""
    Maildir(config.data / "mail").send(Mail(name, "shop@localhost", "ada@localhost", data))


def find(client: FlaskClient, text: str) -> Page:
    """Search for a text."""
    return Page(client.get(f"/mail?{urlencode({'find': text})}"))


@pytest.mark.parametrize("text", ["receipt", "RECEIPT 1002", "bob@example.org", "zoe bob", "Zoë"])
def test_mails_are_found_by_recipient_and_subject(
    client: FlaskClient, config: Config, text: str
) -> None:
    """Each word is a part of one of them, whatever case and accents."""
    deliver(config, "a", "Your order 1001")
    deliver(config, "b", "Receipt 1002 für Zoë", to="Bob <bob@example.org>")
    page = find(client, text)
    assert [link for link in page.links if link.startswith("/mail/")] == ["/mail/b"]
    assert "Receipt 1002 für Zoë" in page.text
    assert "21 Nov" in page.text
    assert page.fields["find"]["value"] == text


def test_a_search_without_a_match_says_so(client: FlaskClient, config: Config) -> None:
    """The sentence quotes the words as typed."""
    deliver(config, "a", "Your order 1001")
    assert (
        "No mail has “<b>tea</b>” in its recipient or subject." in find(client, "<b>tea</b>").text
    )


def test_a_search_reads_a_bounded_number_of_mails(client: FlaskClient, config: Config) -> None:
    """The page leads on to the older ones, with the same search."""
    folder = config.data / "mail/new"
    folder.mkdir(parents=True)
    for place in range(MAX_SEARCHED):
        (folder / f"m{place:04}").write_bytes(b"Subject: news\n\nwords\n")
    deliver(config, "a", "Your order 1001")
    page = find(client, "1001")
    assert "No mail among these has" in page.text
    [older] = [link for link in page.links if "cursor=" in link]
    assert "/mail/a" in Page(client.get(f"/mail{older}")).links


def test_the_list_reads_headers_only(client: FlaskClient, config: Config) -> None:
    """A body that cannot be decoded keeps no mail from being listed."""
    put(config, "a", b"Subject: Hello\nContent-Type: text/plain; charset=none\n\n\xff\n")
    assert "Hello" in Page(client.get("/mail")).text


@pytest.mark.parametrize("subject", [b"=?none?q?x?=", b"=?utf-8?b?a?=", b"\xff", b"a\n b"])
@pytest.mark.parametrize("date", [b"yesterday", b"Sat, 99 Nov 2026 08:00:00 +0000", b""])
def test_faulty_headers_are_listed(
    client: FlaskClient, config: Config, subject: bytes, date: bytes
) -> None:
    """A mail that another program has put there breaks no page."""
    put(config, "a", b"Subject: " + subject + b"\nDate: " + date + b"\n\nwords\n")
    page = Page(client.get("/mail"))
    assert (page.status, "/mail/a" in page.links) == (200, True)


def test_a_mail_without_a_body_is_listed(client: FlaskClient, config: Config) -> None:
    """The headers end with the file."""
    put(config, "a", b"Subject: Hello")
    assert "Hello" in Page(client.get("/mail")).text
