"""The mailbox: sent mails as their recipients see them."""

from collections.abc import Callable
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.notification.maildir import Maildir
from app.notification.transport import Mail
from app.web.layout.positions import PAGE_SIZE
from tests.web.page import Page


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Every test here orders from the catalogue."""


def deliver(config: Config, name: str, html: str = "", subject: str = "Hello") -> None:
    """Put a mail into the folder."""
    message = MIMEMultipart("alternative")
    message["Subject"], message["To"] = subject, "ada@example.org"
    message.attach(MIMEText("plain words", "plain", "utf-8"))
    if html:
        message.attach(MIMEText(html, "html", "utf-8"))
    mail = Mail(name, "shop@example.org", "ada@example.org", message.as_bytes())
    Maildir(config.data / "mail").send(mail)


def test_an_empty_mailbox_says_so(client: FlaskClient) -> None:
    """Before the first mail there is no folder."""
    assert "No mail yet." in Page(client.get("/mail")).text


def test_a_mail_is_listed_and_read(client: FlaskClient, settled: Callable[[], None]) -> None:
    """The list links to the mail's own page."""
    request = {"customer_name": "Ada", "customer_email": "ada@example.org"}
    client.post("/order", json=request | {"items": [{"product": "tea", "quantity": 2}]})
    settled()
    page = Page(client.get("/mail"))
    assert "ada@example.org" in page.text
    mail = Page(client.get(next(link for link in page.links if link.startswith("/mail/"))))
    assert "1001" in mail.text
    assert "ada@example.org" in mail.text


def test_html_is_shown_in_a_sandboxed_frame(client: FlaskClient, config: Config) -> None:
    """Its own style is allowed; scripts, forms and foreign content are not."""
    deliver(config, "b", html="<p style='color:red'>Hello</p><script>alert(1)</script>")
    page = client.get("/mail/b")
    assert '<iframe class="letter" sandbox ' in page.text
    assert "alert(1)" not in page.text
    body = client.get("/mail/b/body")
    assert "<script>" in body.text
    policy = body.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "script-src" not in policy


def test_markup_in_a_subject_is_escaped(client: FlaskClient, config: Config) -> None:
    """It is shown as it was typed."""
    deliver(config, "b", subject="<b>Hi</b> Zo\u00eb")
    assert "<b>Hi</b> Zo\u00eb" in Page(client.get("/mail")).text


@pytest.mark.parametrize("query", ["", "number"])
def test_the_list_is_paged(client: FlaskClient, config: Config, query: str) -> None:
    """Each mail is on one of the pages, newest first, which have positions; also in a search."""
    count = PAGE_SIZE + 5
    for n in range(count):
        deliver(config, f"{n:03}", subject=f"{query} {n}")
    first = Page(client.get(f"/mail?find={query}"))
    assert f"1–{PAGE_SIZE} of {count}" in first.text
    assert first.text.index(f"{query} {count - 1} ") < first.text.index(f"{query} {count - 2} ")
    [following] = [link for link in first.links if "page=" in link]
    second = Page(client.get(f"/mail{following}"))
    assert f"{PAGE_SIZE + 1}–{count} of {count}" in second.text
    text = first.text + second.text
    assert [f"{query} {n} " in text for n in range(count)] == [True] * count
    [back] = [link for link in second.links if "page=" in link]
    assert Page(client.get(f"/mail{back}")).links == first.links


@pytest.mark.parametrize(
    "name", ["none", "..", "%2e%2e", "..%2f..%2forders.json", "%00", ".hidden", "a" * 300]
)
def test_no_other_file_is_read(client: FlaskClient, config: Config, name: str) -> None:
    """404 for any name that is not that of a mail."""
    deliver(config, "b")
    assert client.get(f"/mail/{name}").status_code == 404
    assert client.get(f"/mail/{name}/body").status_code == 404
