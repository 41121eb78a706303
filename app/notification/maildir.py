"""A mail transport that delivers into a Maildir folder, readable by any mail program.

Maildir (D. J. Bernstein): write and sync the message in tmp/, then move it to new/. The file has
the mail's name, so delivering the same mail again replaces the file instead of adding another.
"""

from pathlib import Path

from app.kernel.disk import make_folder, sync_folder, write_new
from app.notification.transport import Mail


class Maildir:
    """The folder `path`; created with the first mail. See Transport."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, mail: Mail) -> None:
        """Deliver durably, readable by the folder's owner only. Raises OSError."""
        try:
            self._deliver(mail)
        except FileNotFoundError:  # a folder is missing: a crash may have left only some of them
            for part in ("tmp", "new", "cur"):
                make_folder(self._path / part)
            self._deliver(mail)

    def _deliver(self, mail: Mail) -> None:
        temporary, delivered = self._path / "tmp" / mail.name, self._path / "new" / mail.name
        write_new(temporary, mail.data)
        temporary.replace(delivered)
        sync_folder(delivered.parent)
