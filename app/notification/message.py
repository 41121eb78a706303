"""A mail as bytes: headers, a plain text, the same in HTML, and perhaps a PDF.

RFC 5322 and MIME (RFC 2045 to 2049). The parts are joined here because the email package's own
message classes parse and fold each header again, which cost more than all handlers of an order;
encoding words and addresses is left to it. The same mail is always the same bytes.

    text and html        multipart/alternative
    … and a PDF          multipart/mixed of that and application/pdf
"""

from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Mapping
from email.header import Header
from email.utils import formataddr, parseaddr
from typing import NamedTuple

_LONGEST_LINE = 76


class Attachment(NamedTuple):
    """A PDF that goes along; `filename` is ASCII."""

    filename: str
    data: bytes


def header_lines(fields: Mapping[str, str]) -> str:
    """The headers, as they stand in a mail; what is not ASCII as encoded words (RFC 2047).

    Raises ValueError for a control character: a line break would smuggle in a header.
    """
    return "".join(f"{name}: {_written(name, value)}\n" for name, value in fields.items())


def mailbox(text: str) -> tuple[str, str]:
    """A mailbox ("Daybook <shop@localhost>") as it stands in a header, and its bare address.

    Raises ValueError when there is no address in it.
    """
    name, address = parseaddr(text)
    return formataddr((name, bare_address(address)), "utf-8"), address


def bare_address(text: str) -> str:
    """An address as it stands in a header, in UTF-8 (RFC 6532). Raises ValueError for others."""
    local, at, domain = text.rpartition("@")
    if not (local and at and domain) or not text.isprintable() or set(text) & set(' ,;<>()[]"\\'):
        raise ValueError("the e-mail address is none that mail can be sent to")
    return text


def composed(
    headers: str, boundary: str, text: str, html: str, attachment: Attachment | None = None
) -> bytes:
    """The whole mail; `headers` are lines, `boundary` stands nowhere in the texts."""
    body = _multipart("alternative", boundary, _text_part("plain", text), _text_part("html", html))
    if attachment:
        body = _multipart("mixed", f"{boundary}.0", body, _pdf_part(attachment))
    return f"{headers}MIME-Version: 1.0\n{body}".encode()


def _written(name: str, value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"the {name} of a mail has a line break or another control character")
    if value.isascii():
        return value
    return Header(value, "utf-8", _LONGEST_LINE, name).encode(linesep="\n")


def _multipart(kind: str, boundary: str, *parts: str) -> str:
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{body}--{boundary}--\n'


def _text_part(kind: str, text: str) -> str:
    """Quoted-printable: readable by eye, and fit for any mail server."""
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
