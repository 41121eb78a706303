"""A mail transport that delivers into a Maildir folder, readable by any mail program.

Maildir (D. J. Bernstein): write and sync the message in tmp/, then move it to new/. The file has
the mail's name, so delivering the same mail again replaces the file instead of adding another.

Mails that are delivered together share the sync of new/. None is moved there before it is whole on
disk, and all are there for good when the call returns (docs/decisions/0124-mails-together.md).
"""

import os
from collections.abc import Container, Sequence
from contextlib import suppress
from pathlib import Path

from app.notification.transport import Mail
from app.system.disk import make_folder, sync_folder, write_new_files

_PARTS = ("tmp", "new", "cur")


class Maildir:
    """The folder `path`; created with the first mail. See Transport."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, mail: Mail) -> None:
        """Deliver durably, readable by the folder's owner only. Raises OSError."""
        self.send_all([mail])

    def send_all(self, mails: Sequence[Mail]) -> None:
        """Deliver as `send` does, all or some. Raises OSError unless it was all."""
        for part in _PARTS:  # a crash may have left only some of them
            make_folder(self._path / part)
        temporary, delivered = self._path / "tmp", self._path / "new"
        write_new_files({temporary / mail.name: mail.data for mail in mails})
        for mail in mails:
            (temporary / mail.name).replace(delivered / mail.name)
        sync_folder(delivered)

    def remove(self, events: Container[str]) -> None:
        """Remove the mails about the events with these ids, durably. Raises OSError.

        The names of mails begin with the id; a mail program adds flags to their end.
        """
        for folder in (self._path / part for part in _PARTS):
            with suppress(FileNotFoundError):
                names = os.listdir(folder)  # noqa: PTH208  # makes no Path of each
                for name in (each for each in names if each.partition(".")[0] in events):
                    (folder / name).unlink(missing_ok=True)
                sync_folder(folder)
