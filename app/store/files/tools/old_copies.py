"""Removes copies of old documents from the data folder, for `flask forget`.

An upgrade leaves before-upgrade-to-N/ there, a repair damaged-N/, and a crash torn tails of the
journal. Nothing of Daybook reads them again.
"""

from collections.abc import Iterator, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from shutil import rmtree

from app.store.files.disk.filesystem import translating_os_errors
from app.system.disk import sync_folder

_COPIES = ("before-upgrade-to-*", "damaged-*", ".daybook-copy.*")
_TORN_TAILS = "*.torn-at-*"


def remove_old_copies(folder: Path, keys: Sequence[str]) -> list[str]:
    """Remove the copies in which one of these keys occurs, and all torn tails; returns their names.

    A torn tail was never acknowledged, and may be cut before the key. Raises Unavailable.
    """
    with translating_os_errors("removing old copies"):
        found = [each for each in _copies(folder) if _has_any(each, keys)]
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


def _has_any(copy: Path, keys: Sequence[str]) -> bool:
    texts = [key.encode() for key in keys]
    return any(_has_text(each, texts) for each in copy.rglob("*") if each.is_file())


def _has_text(path: Path, texts: Sequence[bytes]) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return any(content.find(text) >= 0 for text in texts)
