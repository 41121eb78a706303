"""Files of which the products page shows a preview: kept in imports/tmp/ of the data folder.

A file is kept from its preview until it is imported, for MAX_AGE_S at most, and named by its
content: what is read under a name is what was kept under it. Backups leave the folder out.
"""

import hashlib
import re
import time
from contextlib import suppress
from pathlib import Path

from app.system.disk import make_folder, write_new
from app.system.os_errors import unavailable

MAX_AGE_S = 24 * 60 * 60

_NAME = re.compile("[0-9a-f]{64}")


class PreviewedFiles:
    """The files of one data folder; the folder is created with the first one."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "imports" / "tmp"

    def keep(self, content: bytes) -> str:
        """Write a file, and remove those that are too old; returns its name.

        Raises StorageFull or Unavailable.
        """
        name = _name_of(content)
        try:
            make_folder(self._folder)
            self._remove_old()
            write_new(self._folder / name, content)
        except OSError as error:
            raise unavailable("The file could not be kept for its import", error) from error
        return name

    def read(self, name: str) -> bytes | None:
        """Return the file of that name; None when there is none, or it is not whole."""
        if not _NAME.fullmatch(name):
            return None
        with suppress(OSError):
            content = (self._folder / name).read_bytes()
            return content if _name_of(content) == name else None
        return None

    def _remove_old(self) -> None:
        oldest = time.time() - MAX_AGE_S
        for path in self._folder.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
