"""A mail transport that delivers into a folder in Maildir form, readable by any mail program.

Maildir (D. J. Bernstein): write and sync the message in tmp/, then move it to new/. The file's name
comes from the message, so delivering the same message again replaces it instead of doubling it.
"""

from pathlib import Path

from app.kernel.disk import make_folder, sync_folder, write_new
from app.notification.transport import Mail


class Maildir:
    """The folder `path`; created with the first message. See Transport."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, mail: Mail) -> None:
        """Deliver durably, for the owner of the folder alone. Raises OSError."""
        try:
            self._deliver(mail)
        except FileNotFoundError:  # one of the folders: a crash may have come between them
            for part in ("tmp", "new", "cur"):
                make_folder(self._path / part)
            self._deliver(mail)

    def _deliver(self, mail: Mail) -> None:
        written, delivered = self._path / "tmp" / mail.name, self._path / "new" / mail.name
        write_new(written, mail.data)
        written.replace(delivered)
        sync_folder(delivered.parent)
