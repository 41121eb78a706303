"""Long mails on the page of a mail, such as those that older versions sent."""

from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.notification.maildir import Maildir
from app.notification.transport import Mail

LINE = '2 x "Tea" & more\n'


def deliver(config: Config, html: str) -> None:
    """Put a mail of a million characters into the folder, with this HTML body."""
    message = MIMEMultipart("alternative")
    message["Subject"], message["To"] = "Your order & 1001" * 100, "ada@example.org"
    message.attach(MIMEText(LINE * (1_000_000 // len(LINE)), "plain", "utf-8"))
    message.attach(MIMEText(html, "html", "utf-8"))
    mail = Mail("long", "shop@example.org", "ada@example.org", message.as_bytes())
    Maildir(config.data / "mail").send(mail)


@pytest.mark.parametrize("html", ["<p>Hello</p>", "<p>Hello</p>" * 100_000])
def test_a_long_mail_is_shown_from_its_beginning(
    client: FlaskClient, config: Config, html: str
) -> None:
    """The page says so, stays below 100 KB, and frames the HTML body only if that is short."""
    deliver(config, html)
    answer = client.get("/mail/long")
    assert "is shown from the beginning only" in answer.text
    assert "2 x &#34;Tea&#34; &amp; more" in answer.text
    assert ("<iframe" in answer.text) == (len(html) < 1000)
    assert len(answer.data) < 100_000
    assert len(client.get("/mail").data) < 10_000
