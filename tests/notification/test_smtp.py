"""Sending to a real mail server that accepts, defers, refuses, or does not respond."""

import smtplib
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from flask.testing import FlaskClient

from app.config import Config, from_environment
from app.kernel.errors import Invalid, Unavailable
from app.kernel.payment_methods import INVOICE
from app.notification.smtp import Smtp
from app.notification.smtp_connections import MAX_MAILS, Connection, ConnectionPool
from app.notification.transport import Mail, Refused
from tests.notification.conftest import MailServer
from tests.notification.smtp_server import PASSWORD, USER
from tests.over_http import body, read

Settled = Callable[[], None]
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"


def mail_to(recipient: str) -> Mail:
    """A small mail with a line that is a dot, which ends a message in SMTP."""
    data = f"To: {recipient}\nSubject: Hello\nMessage-ID: <one@daybook>\n\nDear\n.\n.. Ann,\n"
    return Mail("one", "shop@localhost", recipient, data.encode())


class TestConversation:
    """One mail, and each response of the server."""

    def test_a_mail_arrives_as_it_was_sent(self, mail_server: MailServer) -> None:
        """Every line of it, also lines that begin with a dot."""
        Smtp(mail_server.url).send(mail_to("ann@example.com"))
        [mail] = mail_server.mails_to("ann@example.com")
        assert mail.get_content().splitlines() == ["Dear", ".", ".. Ann,"]

    def test_an_address_outside_ascii_is_sent_in_utf8(self, mail_server: MailServer) -> None:
        """SMTPUTF8 (RFC 6531) is used if the server has it."""
        Smtp(mail_server.url).send(mail_to("zoë@example.com"))
        assert "To: zoë@example.com" in mail_server.raw()[-1].decode()

    def test_a_deferred_mail_can_be_retried(self, mail_server: MailServer) -> None:
        """451 is transient: the mail arrives with the next attempt."""
        smtp, mail = Smtp(mail_server.url), mail_to("later.1@example.com")
        with pytest.raises(Unavailable, match=r"451 4.7.1 greylisted, come back later$"):
            smtp.send(mail)
        smtp.send(mail)
        assert len(mail_server.mails_to("later.1@example.com")) == 1

    @pytest.mark.parametrize(
        ("recipient", "answer"),
        [("never@example.com", "550 5.1.1 no such user"), ("spam@example.com", "554 5.7.1 this")],
    )
    def test_a_refused_mail_is_not_retried(
        self, mail_server: MailServer, recipient: str, answer: str
    ) -> None:
        """5xx about recipient or message is permanent."""
        with pytest.raises(Refused, match=answer):
            Smtp(mail_server.url).send(mail_to(recipient))

    def test_a_broken_connection_can_be_retried(self, mail_server: MailServer) -> None:
        """The mail is sent again under the same Message-ID."""
        smtp, mail = Smtp(mail_server.url), mail_to("drop.1@example.com")
        with pytest.raises(Unavailable, match="connection to the mail server failed"):
            smtp.send(mail)
        smtp.send(mail)
        first, second = mail_server.mails_to("drop.1@example.com")
        assert first["Message-ID"] == second["Message-ID"] == "<one@daybook>"

    def test_a_server_that_does_not_respond_times_out(self, mail_server: MailServer) -> None:
        """Unavailable, so the mail is retried."""
        with pytest.raises(Unavailable, match="timed out"):
            Smtp(mail_server.url, timeout_s=0.2).send(mail_to("hang@example.com"))

    def test_a_server_that_cannot_be_reached_is_unavailable(self) -> None:
        """The mail is retried."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"smtp://127.0.0.1:{probe.getsockname()[1]}"
            with pytest.raises(Unavailable, match="Connection refused"):
                Smtp(url).send(mail_to("ann@example.com"))


def connected(mail_server: MailServer) -> Connection:
    """A connection that is ready for a mail."""
    return Connection(smtplib.SMTP("127.0.0.1", mail_server.port))


class TestConnectionPool:
    """Connections are reused for a short time."""

    def test_successive_mails_share_a_connection(self, mail_server: MailServer) -> None:
        """A refused mail does not end the connection; each mail arrives whole and once."""
        smtp, before = Smtp(mail_server.url), len(mail_server.raw())
        smtp.send(mail_to("one@example.com"))
        with pytest.raises(Refused):
            smtp.send(mail_to("never@example.com"))
        smtp.send(mail_to("zoë.2@example.com"))
        smtp.send(mail_to("three@example.com"))
        assert len(set(mail_server.connections()[before:])) == 1
        assert len(mail_server.raw()) == before + 3

    def test_a_connection_closed_by_the_server_is_not_reused(self, mail_server: MailServer) -> None:
        """The next mail opens another without a failed attempt."""
        pool, ended = ConnectionPool(), connected(mail_server)
        assert ended.server.sock
        ended.server.sock.shutdown(socket.SHUT_RDWR)
        pool.release(ended)
        assert pool.acquire() is None

    def test_an_idle_connection_is_closed(self, mail_server: MailServer) -> None:
        """Servers allow few connections."""
        pool, idle = ConnectionPool(idle_max_s=0.01), connected(mail_server)
        pool.release(idle)
        deadline, tick = monotonic() + 10, threading.Event()
        while idle.server.sock:
            assert monotonic() < deadline, "it is still open"
            tick.wait(0.005)
        assert pool.acquire() is None

    def test_a_connection_sends_a_limited_number_of_mails(self, mail_server: MailServer) -> None:
        """After MAX_MAILS another one is opened."""
        smtp, before = Smtp(mail_server.url), len(mail_server.raw())
        for n in range(MAX_MAILS + 1):
            smtp.send(mail_to(f"customer.{n}@example.com"))
        used = Counter(mail_server.connections()[before:])
        assert sorted(used.values()) == [1, MAX_MAILS]


class TestSecurity:
    """TLS and passwords."""

    @pytest.fixture
    def trusted(
        self, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Trust the certificate authority of the server."""
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    @pytest.mark.usefixtures("trusted")
    def test_starttls_with_user_and_password(self, secure_server: MailServer) -> None:
        """The password may have any characters, percent-encoded."""
        url = secure_server.url.replace("://", f"://{LOGIN}@")
        Smtp(url).send(mail_to("ann@example.com"))
        assert [mail["To"] for mail in secure_server.mails()] == ["ann@example.com"]

    @pytest.mark.usefixtures("trusted")
    def test_a_wrong_password_is_transient_and_not_repeated(
        self, secure_server: MailServer
    ) -> None:
        """No mail passes until it is corrected, so none goes to failure.json."""
        url = secure_server.url.replace("://", f"://{USER}:hunter2@")
        with pytest.raises(Unavailable) as refused:
            Smtp(url).send(mail_to("ann@example.com"))
        assert str(refused.value) == "The mail server refuses our user or password (535)."

    def test_an_untrusted_certificate_is_refused(self, secure_server: MailServer) -> None:
        """The connection fails before anything is sent."""
        with pytest.raises(Unavailable, match="certificate verify failed"):
            Smtp(secure_server.url).send(mail_to("ann@example.com"))

    def test_a_password_is_not_sent_in_the_clear(self, mail_server: MailServer) -> None:
        """Unavailable when the server offers no STARTTLS."""
        url = mail_server.url.replace("://", f"://{LOGIN}@")
        with pytest.raises(Unavailable, match="no STARTTLS"):
            Smtp(url).send(mail_to("ann@example.com"))

    @pytest.mark.parametrize(
        "url",
        [
            "smtp://:99999",
            "http://shop:hunter2@mail.example",
            "smtp://shop:hunter2@",
            "smtp://shop:hunter2@mail.example:x",
            "smtp://shop:hunter2@mail.example/path",
            "shop:hunter2@mail.example",
        ],
    )
    def test_an_invalid_url_is_refused_without_repeating_it(self, url: str) -> None:
        """It may contain a password."""
        with pytest.raises(Invalid, match="must be smtp://host:port") as refused:
            from_environment({"DAYBOOK_SMTP_URL": url})
        assert "hunter2" not in str(refused.value)

    def test_a_url_is_not_shown_with_the_settings(self) -> None:
        """Its password would appear in a log or a traceback."""
        url = "smtps://shop:hunter2@mail.example"
        config = from_environment({"DAYBOOK_SMTP_URL": url})
        assert config.smtp_url == url
        assert "hunter2" not in repr(config)


class TestShop:
    """The whole service, with DAYBOOK_SMTP_URL."""

    @pytest.fixture
    def config(self, config: Config, mail_server: MailServer) -> Config:
        """Payment by invoice, so that an order sends one mail: that it was placed."""
        return replace(config, smtp_url=mail_server.url, payment_method=INVOICE)

    @pytest.mark.usefixtures("catalogue")
    @pytest.mark.parametrize(
        ("customer", "errors", "copies"),
        [
            ("bob@example.com", [], 1),
            ("later.2@example.com", ["451 4.7.1 greylisted, come back later"], 1),
            (
                "drop.2@example.com",
                ["mail server failed: Connection unexpectedly closed."],
                2,
            ),
        ],
    )
    def test_the_customer_gets_the_mail_after_transient_errors(
        self,
        client: FlaskClient,
        mail_server: MailServer,
        settled: Settled,
        customer: str,
        errors: list[str],
        copies: int,
    ) -> None:
        """The delivery's log has each error."""
        delivery = self.order(client, settled, customer)
        assert delivery["state"] == "done"
        logged = [line["error"] for line in delivery.get("log", [])]
        assert len(logged) == len(errors)
        assert all(error in line for error, line in zip(errors, logged, strict=True))
        mails = mail_server.mails_to(customer)
        assert len(mails) == copies
        assert len({mail["Message-ID"] for mail in mails}) == 1

    @pytest.mark.usefixtures("catalogue")
    def test_a_mail_refused_for_good_is_in_failure_json(
        self, client: FlaskClient, settled: Settled
    ) -> None:
        """The entry appears after one attempt, with the server's response."""
        delivery = self.order(client, settled, "never@example.com")
        assert (delivery["state"], delivery["attempts"]) == ("dead", 1)
        [failure] = read(client, "/failure")["failures"]
        assert failure["error"] == (
            "Refused: The mail server refuses this mail: 550 5.1.1 no such user here"
        )

    @pytest.mark.usefixtures("catalogue")
    def test_a_replay_uses_the_corrected_address(
        self, client: FlaskClient, settled: Settled, mail_server: MailServer
    ) -> None:
        """After a refusal, the mails about the order go to the address that the order has now."""
        self.order(client, settled, "never.2@example.com")
        changes = {"customer_email": "found@example.com"}
        assert client.patch("/order/1001", json=changes).status_code == 200
        settled()
        assert len(read(client, "/failure")["failures"]) == 1
        assert client.post("/failure/replay", json={"all": True}).status_code == 202
        settled()
        assert read(client, "/failure")["failures"] == []
        subjects = [mail["Subject"] for mail in mail_server.mails_to("found@example.com")]
        assert subjects == ["Your order 1001", "Your order 1001 was changed"]

    def order(self, client: FlaskClient, settled: Settled, email: str) -> dict[str, Any]:
        """Place an order and wait; return the delivery of the mail about it."""
        wanted = {"customer_name": "Ann", "items": [{"product": "tea", "quantity": 1}]}
        answer = client.post("/order", json=wanted | {"customer_email": email})
        assert answer.status_code == 201, body(answer)
        settled()
        placed, *_ = read(client, "/order/1001/events")["events"]
        delivery: dict[str, Any] = placed["deliveries"]["notification"]
        return delivery
