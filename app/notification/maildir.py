"""A mail transport that delivers into a folder in Maildir form, readable by any mail program.

Maildir (D. J. Bernstein): write and sync the message in tmp/, then move it to new/. The file's name
comes from the message, so delivering the same message again replaces it instead of doubling it.
"""

from email.message import Message
from email.policy import default
from pathlib import Path

from app.disk import make_folder, sync_folder, write_new

_READABLE = default.clone(utf8=True)
"""Headers in UTF-8 (RFC 6532), as people write names and addresses."""


class Maildir:
    """The folder `path`; created with the first message."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, message: Message, name: str) -> None:
        """Deliver durably as `name` (letters, digits, dots, dashes). Raises OSError."""
        data = message.as_bytes(policy=_READABLE)
        try:
            self._deliver(data, name)
        except FileNotFoundError:  # one of the folders: a crash may have come between them
            self._create()
            self._deliver(data, name)

    def _deliver(self, data: bytes, name: str) -> None:
        written, delivered = self._path / "tmp" / name, self._path / "new" / name
        write_new(written, data)
        written.replace(delivered)
        sync_folder(delivered.parent)

    def _create(self) -> None:
        for part in ("tmp", "new", "cur"):
            make_folder(self._path / part)
