"""Removes copies of old documents from the data folder, for `flask forget`.

An upgrade leaves before-upgrade-to-N/ there, a repair damaged-N/, and a crash torn tails of the
journal. Nothing of Daybook reads them again.
"""

import re
from collections.abc import Iterator, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from shutil import rmtree

from app.store.files.disk.filesystem import translating_os_errors
from app.system.disk import sync_folder

_COPIES = ("before-upgrade-to-*", "damaged-*", ".daybook-copy.*")
_TORN_TAILS = "*.torn-at-*"


def remove_old_copies(folder: Path, keys: Sequence[str], text: str = "") -> list[str]:
    """Remove the copies in which a key occurs, or `text` in any case; returns their names.

    All torn tails go: they were never acknowledged, and may be cut before the key. Raises
    Unavailable.
    """
    with translating_os_errors("removing old copies"):
        found = [each for each in _copies(folder) if _has_any(each, keys, text)]
        for each in found:
            rmtree(each)
        torn = sorted((folder / "journal").glob(_TORN_TAILS))
        for each in torn:
            each.unlink(missing_ok=True)
        for changed in (folder, folder / "journal"):
            sync_folder(changed)
    return [f"{each.relative_to(folder)}{'/' if each in found else ''}" for each in (*found, *torn)]


def _copies(folder: Path) -> Iterator[Path]:
    for pattern in _COPIES:
        yield from sorted(folder.glob(pattern))


def _has_any(copy: Path, keys: Sequence[str], text: str) -> bool:
    exact = [key.encode() for key in keys]
    # much slower than a search for exact keys
    in_any_case = re.compile(re.escape(text.encode()), re.IGNORECASE) if text else None
    return any(_has_text(each, exact, in_any_case) for each in copy.rglob("*") if each.is_file())


def _has_text(path: Path, exact: Sequence[bytes], in_any_case: re.Pattern[bytes] | None) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        if any(content.find(key) >= 0 for key in exact):
            return True
        return in_any_case is not None and in_any_case.search(content) is not None
