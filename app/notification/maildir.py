"""A mail transport that delivers into a folder in Maildir form, readable by any mail program.

Maildir (D. J. Bernstein): write and sync the message in tmp/, then move it to new/. The file's name
comes from the message, so delivering the same message again replaces it instead of doubling it.
"""

import os
from email.message import Message
from email.policy import default
from pathlib import Path

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
        _write(written, data)
        written.replace(delivered)
        _sync_folder(delivered.parent)

    def _create(self) -> None:
        for part in ("tmp", "new", "cur"):
            (self._path / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(self._path)
        _sync_folder(self._path.parent)


def _write(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)


def _sync_folder(folder: Path) -> None:
    """Make what was created or moved in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
