"""A mail transport that sends mail to a server by SMTP (RFC 5321).

The server's response decides. Refusing this recipient or this message for good (5xx) raises
Refused, so the mail goes to failure.json at once. Everything else is an outage and is retried: the
server cannot be reached, times out, says "later" (4xx), or takes no mail from us at all.

A mail is sent twice only when the connection breaks between the end of the message and the
server's 250, because a lost mail looks the same from here; the Message-ID is the same both times.
"""

import smtplib
import socket
import ssl
from collections.abc import Callable
from functools import cache, partial
from urllib.parse import unquote, urlsplit

from app.kernel.errors import Unavailable
from app.notification.smtp_connections import Connection, ConnectionPool
from app.notification.transport import Mail, Refused
from app.system.os_errors import cause_of

TIMEOUT_S = 30.0
"""The timeout of each command; a server may take its time over the end of a message."""

_PORTS = {"smtp": 25, "smtps": 465}


class Smtp:
    """The server at `url`: smtp://user:password@host:port, or smtps:// for TLS from the start.

    smtp:// switches to TLS when the server offers STARTTLS; a password is sent over TLS only.
    Certificates are verified; SSL_CERT_FILE names others than the system's. See Transport.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "smtps"
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._timeout_s = timeout_s
        self._pool = ConnectionPool()

    def send(self, mail: Mail) -> None:
        """Send one mail. Raises Unavailable when a retry may help, Refused when it cannot."""
        try:
            self._send(mail, self._pool.acquire() or self._open())
        except smtplib.SMTPResponseException as error:
            raise Unavailable(f"The mail server takes no mail now: {_format(error)}") from None
        except OSError as error:  # also what smtplib raises
            raise Unavailable(
                f"The connection to the mail server failed: {cause_of(error)}."
            ) from None

    def _send(self, mail: Mail, connection: Connection) -> None:
        try:
            _transfer(connection.server, mail)
        except Refused:
            self._pool.release(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._pool.release(connection)

    def _open(self) -> Connection:
        connect: Callable[..., smtplib.SMTP] = smtplib.SMTP
        if self._is_tls:
            connect = partial(smtplib.SMTP_SSL, context=ssl.create_default_context())
        server = connect(self._host, self._port, _own_name(), timeout=self._timeout_s)
        connection = Connection(server)
        try:
            self._log_in(server)
        except BaseException:
            connection.close()
            raise
        return connection

    def _log_in(self, server: smtplib.SMTP) -> None:
        """Greet the server, switch to TLS if it can, and authenticate if there is a user."""
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
            # the server's text may repeat the password
            raise Unavailable(
                f"The mail server refuses our user or password ({error.smtp_code})."
            ) from None


def _transfer(server: smtplib.SMTP, mail: Mail) -> None:
    options = []
    if not mail.recipient.isascii() or not mail.sender.isascii():
        if not server.has_extn("smtputf8"):
            raise Refused("The mail server takes no addresses with letters outside ASCII.")
        options = ["SMTPUTF8", "BODY=8BITMIME"]
        server.command_encoding = "utf-8"
    code, text = server.mail(mail.sender, options)
    if code != 250:
        # the sender is ours: no mail at all passes until that is corrected
        raise smtplib.SMTPResponseException(code, text)
    _check(*server.rcpt(mail.recipient))
    try:
        _check(*server.data(mail.data.replace(b"\n", b"\r\n")))
    except smtplib.SMTPDataError as error:
        _check(error.smtp_code, error.smtp_error)
        raise


def _check(code: int, text: bytes | str) -> None:
    """Raise Refused for a 5xx response to a mail, SMTPResponseException for others but 2xx."""
    error = smtplib.SMTPResponseException(code, text)
    if code // 100 == 5:
        raise Refused(f"The mail server refuses this mail: {_format(error)}")
    if code // 100 != 2:
        raise error


def _format(error: smtplib.SMTPResponseException) -> str:
    """Return the code and the first line of the server's response."""
    raw = error.smtp_error
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    first = next(iter(text.splitlines()), "")
    return f"{error.smtp_code} {''.join(c for c in first if c.isprintable())[:200]}"


@cache
def _own_name() -> str:
    """Return this machine's name for EHLO; looked up once, because it may take seconds."""
    name = socket.getfqdn()
    return name if "." in name else "[127.0.0.1]"
