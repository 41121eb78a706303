"""A real SMTP server (aiosmtpd) in a process of its own, which does as a recipient's name says.

`python -m tests.notification.smtp_server FOLDER [CERT] [KEY]` prints its port, and keeps each mail
that it gets in FOLDER, in the order in which they come, under names that end with the port at the
client's end. With a certificate it offers STARTTLS, and takes mail from `shop` with the password
`s3cret/&` only.

    never@…     550, for good                   later@…     451 the first time
    drop@…      closes the connection after the end of the message, the first time
    hang@…      never answers the message       spam@…      554 after the message
"""

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "shop", "s3cret/&"


class Handler:
    """See above; aiosmtpd finds the methods by their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[str] = set()

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("never"):
            return "550 5.1.1 no such user here"
        if address.startswith("later") and self._is_new(address):
            return "451 4.7.1 greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        [recipient] = envelope.rcpt_tos
        if recipient.startswith("spam"):
            return "554 5.7.1 this looks like spam"
        if recipient.startswith("hang"):
            await asyncio.Event().wait()
        self._keep(envelope, session)
        if recipient.startswith("drop") and self._is_new(recipient):
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 OK"

    def _is_new(self, address: str) -> bool:
        is_new = address not in self._seen
        self._seen.add(address)
        return is_new

    def _keep(self, envelope: Envelope, session: Session) -> None:
        content = envelope.content
        assert isinstance(content, bytes)
        number = len(list(self._folder.iterdir()))
        port = session.peer[1] if session.peer else 0
        (self._folder / f"{number:04}-{port}").write_bytes(content)


def authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    """Accept the shop's user and password only."""
    is_shop = data == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_shop, handled=False)


async def serve(folder: Path, *certificate: str) -> None:
    """Serve until the process is killed."""
    options: dict[str, Any] = {"enable_SMTPUTF8": True}
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        options |= {
            "tls_context": context,
            "require_starttls": True,
            "authenticator": authenticate,
            "auth_required": True,
        }
    handler, loop = Handler(folder), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, **options), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  (whoever started us reads it)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), *sys.argv[2:]))
