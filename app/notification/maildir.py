"""A mail transport that delivers into a folder in Maildir form, readable by any mail program.

Maildir (D. J. Bernstein): write and sync the message in tmp/, then move it to new/. The file's name
comes from the message, so delivering the same message again replaces it instead of doubling it.
"""

import os
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path


class Maildir:
    """The folder `path`; created with the first message."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, message: EmailMessage, name: str) -> None:
        """Deliver durably as `name` (letters, digits, dots, dashes). Raises OSError."""
        for part in ("tmp", "new", "cur"):
            (self._path / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        written, delivered = self._path / "tmp" / name, self._path / "new" / name
        fd = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "wb") as file:
            file.write(message.as_bytes(policy=SMTPUTF8))
            file.flush()
            os.fsync(file.fileno())
        os.replace(written, delivered)
        folder = os.open(delivered.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
