"""The default data folder: var/ in the program's folder, which git ignores.

The files in the program's data/ belong to the repository; a new shop begins with a copy of them.
An installed package has no such folder: its shop is in the user's data folder (XDG Base Directory).
"""

import os
from pathlib import Path

from app.kernel.errors import Invalid, Problem

_PROGRAM = Path(__file__).parents[2]

_IS_CLONE = (_PROGRAM / "wsgi.py").is_file()
_USER_DATA = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")  # noqa: PTH111  (Path's raises without a home)

DEFAULT_FOLDER = _PROGRAM / "var" if _IS_CLONE else Path(_USER_DATA) / "daybook"
MODEL_FOLDER = _PROGRAM / "data"
"""The folder with the first files of a new shop, in which older versions kept the shop itself."""


def find_data_folder(default: Path = DEFAULT_FOLDER, older: Path = MODEL_FOLDER) -> Path:
    """Return the data folder of a shop without DAYBOOK_DATA, wherever the command is given.

    It is `older` where that holds a shop. Raises Invalid where both do.
    """
    if not _has_shop(older):
        return default
    if _has_shop(default):
        message = f"must say which shop is meant: {default} and {older} hold one each"
        raise Invalid([Problem("DAYBOOK_DATA", message)])
    return older


def _has_shop(folder: Path) -> bool:
    """Whether a store has opened the folder, or a backup was restored to it."""
    return any((folder / name).exists() for name in ("store.lock", "journal"))
