"""Reads the Maildir that maildir.py writes, for the pages that show sent mail."""

import os
import re
from collections.abc import Collection, Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_binary_file, message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from heapq import nlargest
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.kernel import clock
from app.kernel.errors import NotFound
from app.kernel.text_search import has_words

MAX_SEARCHED = 500
"""Mails whose headers one search reads."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.,:=_-]{0,199}")
_FOLDERS = ("new", "cur")


class MailHeader(NamedTuple):
    """The headers of a mail that a list shows; `sent_at` is its Date as it stands there."""

    name: str
    recipient: str
    subject: str
    sent_at: str

    @property
    def date(self) -> str | None:
        """When the mail was sent; None when it does not say so, or not validly."""
        with suppress(ValueError):
            return clock.format_time(parsedate_to_datetime(self.sent_at))
        return None


class FoundMails(NamedTuple):
    """Mails, newest first; `next` is the name before which a search goes on, None at its end."""

    mails: list[MailHeader]
    next: str | None


@dataclass(frozen=True)
class SentMail:
    """A sent mail, decoded for display. `date` is None when the message has none."""

    name: str
    sender: str
    recipient: str
    subject: str
    date: str | None
    text: str
    html: str
    attachments: tuple[str, ...]


class Mailbox:
    """The mails in the folder `path`, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self._folders = [path / folder for folder in _FOLDERS]

    def names(self) -> list[str]:
        """Return the names of all mails, in no order; the cost is one listing of the folder."""
        return list(self._names())

    def newest(self, names: Iterable[str], skip: int, limit: int) -> list[MailHeader]:
        """Return the newest of the mails with these names, without the `skip` newest ones.

        Names begin with the event's id, so their order is that of the events.
        """
        return self._read_headers(nlargest(skip + limit, names)[skip:])

    def search(self, words: Collection[str], before: str = "") -> FoundMails:
        """Return the mails that have all the words, of the newest ones before the one `before`.

        The words, as words_of gives them, are parts of the recipient or the subject. The headers
        of MAX_SEARCHED mails are read at most.
        """
        older = (name for name in self._names() if not before or name < before)
        names = nlargest(MAX_SEARCHED + 1, older)
        mails = [
            mail
            for mail in self._read_headers(names[:MAX_SEARCHED])
            if has_words(words, mail.recipient, mail.subject)
        ]
        return FoundMails(mails, names[MAX_SEARCHED - 1] if len(names) > MAX_SEARCHED else None)

    def find(self, name: str) -> SentMail:
        """Return the mail of that name. Raises NotFound."""
        mail = self._read(name) if _NAME.fullmatch(name) else None
        if mail is None:
            raise NotFound("There is no such message.")
        return mail

    def about(self, events: Container[str]) -> list[SentMail]:
        """Return the mails about the events with these ids, oldest first."""
        names = sorted(each for each in self._names() if each.partition(".")[0] in events)
        return [mail for mail in map(self._read, names) if mail]

    def _names(self) -> Iterator[str]:
        for folder in self._folders:
            with suppress(FileNotFoundError):
                yield from os.listdir(folder)  # noqa: PTH208  # makes no Path of each

    def _read(self, name: str) -> SentMail | None:
        file = self._open(name)
        if file is None:
            return None
        with file:
            return _decode(name, message_from_binary_file(file, EmailMessage, policy=default))

    def _read_headers(self, names: Iterable[str]) -> list[MailHeader]:
        """Return the headers of the mails with these names that are still there."""
        return [header for name in names if (header := self._read_header(name))]

    def _read_header(self, name: str) -> MailHeader | None:
        file = self._open(name)
        if file is None:
            return None
        with file:
            lines = list(takewhile(bytes.strip, file))
        return _decode_header(name, b"".join(lines))

    def _open(self, name: str) -> BinaryIO | None:
        for folder in self._folders:
            with suppress(FileNotFoundError, IsADirectoryError):
                return (folder / name).open("rb")
        return None


def _decode_header(name: str, lines: bytes) -> MailHeader:
    """Decode the lines before the empty one.

    The policy of _decode parses each header in full, which takes most of the time of a list.
    """
    message = message_from_bytes(lines)
    return MailHeader(name, *(_text(message[field]) for field in ("To", "Subject", "Date")))


def _text(value: object) -> str:
    """Return a header's text; as it stands in the mail when its encoded words are faulty."""
    text = "".join(str(value or "").splitlines())
    if "=?" in text:
        with suppress(HeaderParseError, LookupError, ValueError):
            return str(make_header(decode_header(text)))
    return text


def _decode(name: str, message: EmailMessage) -> SentMail:
    sent_at = getattr(message["Date"], "datetime", None)
    return SentMail(
        name=name,
        sender=str(message["From"] or ""),
        recipient=str(message["To"] or ""),
        subject=str(message["Subject"] or ""),
        date=clock.format_time(sent_at) if sent_at else None,
        text=_body(message, "plain"),
        html=_body(message, "html"),
        attachments=tuple(each.get_filename() or "" for each in message.iter_attachments()),
    )


def _body(message: EmailMessage, kind: str) -> str:
    """Return the body of that text type; empty when the message has none."""
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
