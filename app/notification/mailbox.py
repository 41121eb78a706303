"""Reads the Maildir that maildir.py writes, for the pages that show sent mail."""

import re
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

    def newest(self, limit: int, before: str = "") -> list[SentMail]:
        """Return at most `limit` mails, newest first, older than the one named `before`.

        Names begin with the event's id, so their order is that of the events. The cost is one
        listing of the folder; only the returned mails are read.
        """
        folders = filter(Path.is_dir, self._folders)
        names = (path.name for folder in folders for path in folder.iterdir())
        older = (name for name in names if not before or name < before)
        return [mail for name in nlargest(limit, older) if (mail := self._read(name))]

    def find(self, name: str) -> SentMail:
        """Return the mail of that name. Raises NotFound."""
        mail = self._read(name) if _NAME.fullmatch(name) else None
        if mail is None:
            raise NotFound("There is no such message.")
        return mail

    def _read(self, name: str) -> SentMail | None:
        for folder in self._folders:
            try:
                with (folder / name).open("rb") as file:
                    message = message_from_binary_file(file, EmailMessage, policy=default)
            except (FileNotFoundError, IsADirectoryError):
                continue
            return _decode(name, message)
        return None


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
