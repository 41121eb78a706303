"""Opening a data folder: which files there are, whether they are what the store wrote.

A folder with a journal is checked against the fingerprints in the journal's headers. A folder
without one (a fresh clone, files brought from elsewhere) has its files validated, and taken over.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from app import strict_json
from app.errors import Damaged, DaybookError, Invalid, Problem, Unavailable
from app.store import Collection, Document
from app.store.checkpoint import (
    CheckpointFile,
    Fingerprint,
    path_of,
    write_whole,
)
from app.store.files import (
    NETWORK_FILE_SYSTEMS,
    file_system_of,
    make_folder,
    reporting,
)
from app.store.journal import (
    Header,
    Segment,
    create_segment,
    read_header,
    segment_numbers,
)


class Opened(NamedTuple):
    """An opened folder: the first segment to read, the checkpoint files, and what is on record."""

    segment: Segment
    base: dict[str, CheckpointFile]
    headers: list[Header]


def prepare_folder(folder: Path) -> None:
    """Create the data folder if needed. Raises Unavailable when it cannot be used."""
    with reporting(f"preparing the data folder {folder.name}/"):
        make_folder(folder / "journal")
        kind = file_system_of(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        raise Unavailable(
            f"The data folder {folder.name}/ is on a network file system ({kind}), where locks do "
            "not hold. Set DAYBOOK_DATA to a folder on a local disk."
        )


def establish(folder: Path, collections: Iterable[Collection]) -> None:
    """Begin the journal if there is none, and take over files it does not know.

    The caller holds store.lock. Raises Invalid when such a file breaks the rules.
    """
    journal = folder / "journal"
    numbers = segment_numbers(journal)
    known = {name for number in numbers for name in read_header(journal, number).files}
    files = {each.name: take_over(folder, each) for each in collections if each.name not in known}
    if not numbers:
        create_segment(journal, Header(1, 0, 0, files)).close()


def open_folder(folder: Path, collections: Iterable[Collection]) -> Opened:
    """Open all files for reading. Raises Damaged, or FileNotFoundError when a segment just went."""
    journal = folder / "journal"
    numbers = segment_numbers(journal)
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Damaged("A segment is missing from the middle of journal/; restore it from a backup.")
    base = {each.name: _open_file(folder, each) for each in collections}
    headers = [read_header(journal, number) for number in numbers]
    return Opened(Segment(journal, numbers[0]), base, headers)


def verify(opened: Opened) -> dict[str, int]:
    """Compare each file with its record; returns up to which transaction each is complete.

    Raises Damaged, with what to do, for a file that is not as the store left it. Reads every file
    whole, so it is done without the lock.
    """
    covers = {}
    usable = [header for header in opened.headers if header.covers >= opened.segment.header.after]
    for name, file in opened.base.items():
        found = file.fingerprint()
        recorded = [header for header in usable if name in header.files]
        if not recorded and not any(name in header.files for header in opened.headers):
            file.documents, covers[name] = sum(1 for _ in file.lines()), 0
            continue
        for header in recorded:
            expected = header.files[name]
            if (expected.bytes, expected.crc32c) == (found.bytes, found.crc32c):
                file.documents, covers[name] = expected.documents, header.covers
        if name not in covers:
            raise Damaged(
                f"{name}.json is not as the service left it (edited, damaged or replaced). If the "
                "change is meant, stop the service and run `flask check --accept`; otherwise put "
                "the file back, or restore a backup."
            )
    return covers


def take_over(folder: Path, collection: Collection) -> Fingerprint:
    """Validate a file that the store has no record of and write it in the store's own form."""
    return write_whole(folder, collection, read_foreign(folder, collection))


def read_foreign(folder: Path, collection: Collection) -> list[Document]:
    """The documents of a file that a person wrote or edited; [] when there is none.

    Raises Invalid, naming file, line and reason of everything that is wrong.
    """
    path = path_of(folder, collection)
    if not path.exists():
        return []
    with reporting(f"reading {path.name}"):
        data = path.read_bytes()
    try:
        documents = strict_json.loads(data)
    except DaybookError as error:
        raise Invalid([Problem("", f"{path.name}: {error}")]) from None
    if not isinstance(documents, list):
        raise Invalid([Problem("", f"{path.name}: an array of objects is required.")])
    problems = list(_problems(path.name, collection, documents, data))
    if problems:
        raise Invalid(problems)
    return [{collection.key: each[collection.key]} | each for each in documents]


def _problems(
    name: str, collection: Collection, documents: list[Any], data: bytes
) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, document in enumerate(documents, 1):
        key = document.get(collection.key) if isinstance(document, dict) else None
        if not isinstance(key, str) or not key:
            yield Problem("", f"{name}, document {number}: {collection.key} is missing.")
            continue
        where = f"{name}, line {_line_of(data, key)}, {key}"
        if key in seen:
            yield Problem("", f"{where}: this {collection.key} stands twice.")
        seen.add(key)
        try:
            collection.check(document)
        except Invalid as error:
            yield Problem("", f"{where}: {error}")


def _line_of(data: bytes, key: str) -> int:
    """The line on which `key` first stands; the first line when it is written with escapes."""
    return data.count(b"\n", 0, max(data.find(key.encode()), 0)) + 1


def _open_file(folder: Path, collection: Collection) -> CheckpointFile:
    try:
        return CheckpointFile(folder, collection)
    except (FileNotFoundError, ValueError):
        raise Damaged(
            f"{collection.name}.json is missing or empty; restore it from a backup."
        ) from None
