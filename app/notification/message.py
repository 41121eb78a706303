"""Composes a mail as bytes: headers, plain text, the same in HTML, and an optional PDF.

RFC 5322 and MIME (RFC 2045 to 2049). The parts are joined here because the email package's message
classes parse and fold each header again, which cost more than all handlers of an order; the package
still encodes words and addresses. The same input always makes the same bytes.

    text and html        multipart/alternative
    with a PDF           multipart/mixed of that and application/pdf
"""

from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Mapping
from email.header import Header
from email.utils import formataddr, parseaddr
from typing import NamedTuple

from app.kernel.email_address import mail_address

_LINE_MAX_CHARS = 76


class Attachment(NamedTuple):
    """An attached PDF; `filename` is ASCII."""

    filename: str
    data: bytes


def format_headers(fields: Mapping[str, str]) -> str:
    """Return the header lines; values outside ASCII become encoded words (RFC 2047).

    Raises ValueError for a control character: a line break would inject a header.
    """
    return "".join(f"{name}: {_encode(name, value)}\n" for name, value in fields.items())


def parse_mailbox(text: str) -> tuple[str, str]:
    """Return a mailbox ("Daybook <shop@localhost>") as a header has it, and its bare address.

    Raises ValueError when it has no valid address.
    """
    name, address = parseaddr(text)
    address = mail_address(address)
    return formataddr((name, address), "utf-8"), address


def compose(
    headers: str, boundary: str, text: str, html: str, attachment: Attachment | None = None
) -> bytes:
    """Return the whole mail; `headers` are lines, `boundary` must not occur in the texts."""
    body = _multipart("alternative", boundary, _text_part("plain", text), _text_part("html", html))
    if attachment:
        body = _multipart("mixed", f"{boundary}.0", body, _pdf_part(attachment))
    return f"{headers}MIME-Version: 1.0\n{body}".encode()


def _encode(name: str, value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"the {name} of a mail has a line break or another control character")
    if value.isascii():
        return value
    return Header(value, "utf-8", _LINE_MAX_CHARS, name).encode(linesep="\n")


def _multipart(kind: str, boundary: str, *parts: str) -> str:
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{body}--{boundary}--\n'


def _text_part(kind: str, text: str) -> str:
    """Return a part in quoted-printable, which people can read and every mail server accepts."""
    return (
        f'Content-Type: text/{kind}; charset="utf-8"\n'
        "Content-Transfer-Encoding: quoted-printable\n\n"
        f"{b2a_qp(text.encode(), istext=True).decode('ascii')}"
    )


def _pdf_part(attachment: Attachment) -> str:
    return (
        "Content-Type: application/pdf\n"
        "Content-Transfer-Encoding: base64\n"
        f'Content-Disposition: attachment; filename="{attachment.filename}"\n\n'
        f"{encodebytes(attachment.data).decode('ascii')}"
    )
