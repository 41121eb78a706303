"""Reads the Maildir that maildir.py writes, for people who want to see what was sent."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_binary_file
from email.message import EmailMessage
from email.policy import default
from heapq import nlargest
from pathlib import Path

from app.kernel import clock
from app.kernel.errors import NotFound

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.,:=_-]{0,199}")
_FOLDERS = ("new", "cur")


@dataclass(frozen=True)
class Mail:
    """A message as a person reads it. `date` is None where the message tells none."""

    name: str
    sender: str
    recipient: str
    subject: str
    date: str | None
    text: str
    html: str
    attachments: tuple[str, ...]


class Mailbox:
    """The folder `path`, which need not exist yet. Only this shop's mail is put there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def newest(self, limit: int, before: str = "") -> list[Mail]:
        """At most `limit` messages, newest first, those older than the one named `before`.

        Names begin with the event's id, so their order is the order of the events. Costs a look at
        the folder, and reads no message but these.
        """
        names = (name for name in self._names() if not before or name < before)
        return [mail for name in nlargest(limit, names) if (mail := self._read(name))]

    def find(self, name: str) -> Mail:
        """The message of that name. Raises NotFound."""
        mail = self._read(name) if _NAME.fullmatch(name) else None
        if mail is None:
            raise NotFound("There is no such message.")
        return mail

    def _names(self) -> Iterator[str]:
        for folder in _FOLDERS:
            if (self._path / folder).is_dir():
                yield from (path.name for path in (self._path / folder).iterdir())

    def _read(self, name: str) -> Mail | None:
        for folder in _FOLDERS:
            try:
                with (self._path / folder / name).open("rb") as file:
                    message = message_from_binary_file(file, EmailMessage, policy=default)
            except (FileNotFoundError, IsADirectoryError):
                continue
            return _told(name, message)
        return None


def _told(name: str, message: EmailMessage) -> Mail:
    return Mail(
        name=name,
        sender=str(message["From"] or ""),
        recipient=str(message["To"] or ""),
        subject=str(message["Subject"] or ""),
        date=_date(message),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        attachments=tuple(each.get_filename() or "" for each in message.iter_attachments()),
    )


def _date(message: EmailMessage) -> str | None:
    at = getattr(message["Date"], "datetime", None)
    return clock.format_time(at) if at else None


def _body(message: EmailMessage, kind: str) -> str:
    """The text of that kind; empty when the message has none."""
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
