"""The owner of a data folder, as whom alone it may be written.

Files have mode 0600, so that a single one of another user would stop the running shop.
"""

import os
import pwd
from pathlib import Path

from app.kernel.errors import Unavailable


class OtherUser(Unavailable):
    """The process runs as another user than `owner`, who owns the data folder."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(
            f"The data folder {folder.name}/ belongs to the user {owner}, who could not read what "
            f"{_name(os.geteuid())} writes there. Run this as {owner}; or stop the shop and change "
            "the owner of the whole folder."
        )
        self.owner = owner


def refuse_other_user(folder: Path) -> None:
    """Raise OtherUser where another user keeps a shop. Raises OSError."""
    is_closed = folder.exists() and not os.access(folder, os.X_OK, effective_ids=True)
    for path in [folder] if is_closed else [folder / "journal", folder / "store.lock"]:
        if path.exists():
            _refuse_unless_owner(folder, path)


def refuse_root_for_others(folder: Path) -> None:
    """Raise OtherUser for root where a new `folder` would be in another user's. Raises OSError."""
    if os.geteuid() == 0:
        around = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        _refuse_unless_owner(folder, around)


def _refuse_unless_owner(folder: Path, path: Path) -> None:
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise OtherUser(folder, _name(owner))


def _name(user: int) -> str:
    """The name of a user, or the number as `sudo -u` takes it."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"
