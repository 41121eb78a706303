"""The default data folder: var/ in the program's folder, which git ignores.

The files in the program's data/ belong to the repository; a new shop begins with a copy of them.
An installed package has neither folder; its shop is in a folder of the
user's (XDG Base Directory).
"""

import os
from pathlib import Path

from app.kernel.errors import Invalid, Problem

_PROGRAM = Path(__file__).parents[2]

MODEL_FOLDER = _PROGRAM / "data"
"""The folder with the first files of a new shop, in which older versions kept the shop itself."""


def default_folder(program: Path = _PROGRAM) -> Path:
    """Return the data folder of a new shop without DAYBOOK_DATA.

    Raises Invalid for an installed package whose user has no home folder.
    """
    if (program / MODEL_FOLDER.name).is_dir():
        return program / "var"
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    if named.is_absolute():
        return named / "daybook"
    try:
        return Path.home() / ".local" / "share" / "daybook"
    except RuntimeError:
        message = "must name a folder: this user has no home folder for a default"
        raise Invalid([Problem("DAYBOOK_DATA", message)]) from None


def find_data_folder(default: Path | None = None, older: Path = MODEL_FOLDER) -> Path:
    """Return the data folder of a shop without DAYBOOK_DATA, wherever the command is given.

    It is `older` where that holds a shop, else `default` (None: `default_folder()`). Raises Invalid
    where both hold one, and what `default_folder` raises.
    """
    default = default or default_folder()
    if not _has_shop(older):
        return default
    if _has_shop(default):
        message = f"must say which shop is meant: {default} and {older} hold one each"
        raise Invalid([Problem("DAYBOOK_DATA", message)])
    return older


def _has_shop(folder: Path) -> bool:
    """Whether a store has opened the folder, or a backup was restored to it."""
    return any((folder / name).exists() for name in ("store.lock", "journal"))
