"""A mail transport that hands mail to a server by SMTP (RFC 5321).

What the server says decides. It refuses this recipient or this message for good (5xx): Refused, so
the mail goes to failure.json at once. Anything else is an outage: it cannot be reached, hangs, says
"later" (4xx), or takes no mail from us at all. Then the mails wait and are tried again.

A mail is sent twice only when the connection breaks between the end of the message and the
server's 250, which nobody can tell from a mail that got lost; its Message-ID is the same then.
"""

import smtplib
import socket
import ssl
from functools import cache
from urllib.parse import unquote, urlsplit

from app.kernel.errors import Unavailable
from app.notification.smtp_connections import Connection, Connections
from app.notification.transport import Mail, Refused

TIMEOUT_S = 30.0
"""For each step of the conversation; an SMTP server may take its time over the end of a message."""

_PORTS = {"smtp": 25, "smtps": 465}


class Smtp:
    """The server at `url`: smtp://user:password@host:port, or smtps:// for TLS from the start.

    smtp:// goes on in TLS where the server offers STARTTLS, and a password is sent in no other
    way. Certificates are verified; SSL_CERT_FILE names others than the system's. See Transport.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "smtps"
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._timeout_s = timeout_s
        self._connections = Connections()

    def send(self, mail: Mail) -> None:
        """Hand over one mail. Raises Unavailable when it may work later, Refused when never."""
        try:
            self._send(mail, self._connections.take() or self._opened())
        except smtplib.SMTPResponseException as error:
            raise Unavailable(f"The mail server does not take mail now: {_said(error)}") from None
        except OSError as error:  # also what smtplib raises
            raise Unavailable(f"The mail server cannot be had: {_reason(error)}.") from None

    def _send(self, mail: Mail, connection: Connection) -> None:
        try:
            _hand_over(connection.server, mail)
        except Refused:
            self._connections.keep(connection)
            raise
        except BaseException:
            connection.end()
            raise
        self._connections.keep(connection)

    def _opened(self) -> Connection:
        connection = Connection(self._connected())
        try:
            self._introduce(connection.server)
        except BaseException:
            connection.end()
            raise
        return connection

    def _connected(self) -> smtplib.SMTP:
        if self._is_tls:
            return smtplib.SMTP_SSL(
                self._host,
                self._port,
                _own_name(),
                timeout=self._timeout_s,
                context=ssl.create_default_context(),
            )
        return smtplib.SMTP(self._host, self._port, _own_name(), timeout=self._timeout_s)

    def _introduce(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if not self._is_tls and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if not self._user:
            return
        if not isinstance(server.sock, ssl.SSLSocket):
            raise Unavailable(
                "The mail server offers no STARTTLS, and a password is not sent in the clear."
            )
        try:
            server.login(self._user, self._password)
        except smtplib.SMTPAuthenticationError as error:
            # what it says besides the code may repeat what we said
            raise Unavailable(
                f"The mail server refuses our user or password ({error.smtp_code})."
            ) from None


def _hand_over(server: smtplib.SMTP, mail: Mail) -> None:
    options = []
    if not mail.recipient.isascii() or not mail.sender.isascii():
        if not server.has_extn("smtputf8"):
            raise Refused("The mail server takes no addresses with letters outside ASCII.")
        options = ["SMTPUTF8", "BODY=8BITMIME"]
        server.command_encoding = "utf-8"
    code, said = server.mail(mail.sender, options)
    if code != 250:
        # the sender is ours: no mail at all will pass until that is mended
        raise smtplib.SMTPResponseException(code, said)
    code, said = server.rcpt(mail.recipient)
    _refuse(code, said)
    try:
        code, said = server.data(mail.data.replace(b"\n", b"\r\n"))
    except smtplib.SMTPDataError as error:
        _refuse(error.smtp_code, error.smtp_error)
        raise
    _refuse(code, said)


def _refuse(code: int, said: bytes | str) -> None:
    """Raise what an answer other than 2xx means for the mail in hand."""
    error = smtplib.SMTPResponseException(code, said)
    if code // 100 == 5:
        raise Refused(f"The mail server refuses this mail: {_said(error)}")
    if code // 100 != 2:
        raise error


def _said(error: smtplib.SMTPResponseException) -> str:
    """Code and first line of what the server said."""
    said = error.smtp_error
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    first = next(iter(text.splitlines()), "")
    return f"{error.smtp_code} {''.join(c for c in first if c.isprintable())[:200]}"


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


@cache
def _own_name() -> str:
    """How this machine introduces itself; asked once, because it may take seconds."""
    name = socket.getfqdn()
    return name if "." in name else "[127.0.0.1]"
