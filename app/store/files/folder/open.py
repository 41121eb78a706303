"""Initialises and opens a data folder, and checks that its files are those that the store wrote.

The files of a folder with a log are compared with the checksums in the log's headers. In a folder
without a log (a fresh clone, files copied in) the files are validated and adopted; so is the file
of a collection without a record in the log.
"""

import os
from collections.abc import Collection as Container
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.kernel.errors import Damaged, Unavailable
from app.store import Collection
from app.store.files.disk.filesystem import (
    NETWORK_FILE_SYSTEMS,
    file_system_of,
    forbidden,
    translating_os_errors,
)
from app.store.files.disk.owner import refuse_other_user
from app.store.files.folder.external_files import read_all, refuse_contradictions
from app.store.files.folder.issued_numbers import IssuedNumbers
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import CheckpointFile, path_of
from app.store.files.snapshot.writer import publish, write_next
from app.store.files.wal.format import FileRecord, FileRecords, Header
from app.store.files.wal.segment import Segment, create_segment, read_header, segment_numbers
from app.system.disk import make_folder, size_bytes, sync_folder

SMALL_FOLDER_MAX_BYTES = 1 << 20

JOURNAL_LOST = "All segments of journal/ are missing, with the changes since the last checkpoint."


class OpenedFolder(NamedTuple):
    """The first segment to read, and the checkpoint files.

    `unrecorded` are the files that were adopted and are in no header yet.
    """

    segment: Segment
    base: dict[str, CheckpointFile]
    unrecorded: FileRecords


def prepare_folder(folder: Path, refused: Container[str] = NETWORK_FILE_SYSTEMS) -> None:
    """Create the data folder if needed. Raises Unavailable when this user cannot use it.

    `refused` are the types of file system, by their kernel names, on which locks do not hold.
    """
    doing = f"preparing the data folder {folder.name}/"
    with translating_os_errors(doing):
        if folder.exists() and not folder.is_dir():
            raise Unavailable(f"{folder.name} is not a folder; set DAYBOOK_DATA to one.")
        refuse_other_user(folder)
        for each in (folder, folder / "journal"):
            make_folder(each)
            if not os.access(each, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
                raise forbidden(f"{each.name}/", doing)
        kind = file_system_of(folder)
    if kind in refused:
        raise Unavailable(
            f"The data folder {folder.name}/ is on a network file system ({kind}), where locks do "
            "not hold. Set DAYBOOK_DATA to a folder on a local disk."
        )


def is_data_folder(folder: Path, collections: Iterable[Collection]) -> bool:
    """Whether `folder` has a log or a checkpoint file. Raises Unavailable when it is unreadable."""
    with translating_os_errors(f"looking into the data folder {folder.name}/"):
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return bool(names & {"journal", *(path_of(folder, each.name).name for each in collections)})


def is_small(folder: Path) -> bool:
    """Whether the folder holds at most SMALL_FOLDER_MAX_BYTES, so that it opens at once.

    Raises Unavailable when it is unreadable.
    """
    with translating_os_errors(f"looking into the data folder {folder.name}/"):
        paths = (*folder.glob("*"), *folder.glob("journal/*"))
        return sum(map(size_bytes, paths)) <= SMALL_FOLDER_MAX_BYTES


def has_lost_journal(folder: Path) -> bool:
    """Whether no segment is left of a folder on which a store has run.

    The lock files of the leader and of checkpoints appear after the first segment, and stay.
    """
    locks = (folder / "leader.lock", folder / "checkpoint.lock")
    return not segment_numbers(folder / "journal") and any(lock.exists() for lock in locks)


def initialise(folder: Path, collections: Iterable[Collection], schema: int = 0) -> None:
    """Create the log if there is none, and adopt files without a record in it.

    `schema` is the version of the documents in a new log. The caller holds store.lock. Raises
    Invalid when such a file breaks the rules, Damaged when all segments of the log were removed.
    """
    with translating_os_errors("opening the data folder"):
        if has_lost_journal(folder):
            raise Damaged(f"{JOURNAL_LOST} Restore a backup, or run `flask check --repair`.")
        headers = read_headers(folder)
        known = {name for header in headers for name in header.files}
        new = [each for each in collections if each.name not in known]
        files = _adopt_files(folder, new) if new else {}
        if not headers:
            # a start that died may have created these without syncing their names
            with suppress(PermissionError):  # then another user created the folder
                sync_folder(folder.parent)
            sync_folder(folder)
            create_segment(folder / "journal", Header(1, 0, files, schema)).close()


def open_folder(folder: Path, collections: Iterable[Collection]) -> OpenedFolder:
    """Open all files for reading; needs no lock.

    Raises Damaged, or FileNotFoundError when a checkpoint has just removed a segment. If the
    segments have changed afterwards, a concurrent checkpoint may be the cause of either.
    """
    journal = folder / "journal"
    numbers = segment_numbers(journal)
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Damaged(
            "A segment is missing from journal/; restore a backup, or stop the service and run "
            "`flask check --repair`."
        )
    base = {each.name: open_file(folder, each) for each in collections}
    headers = read_headers(folder)
    known = {name for header in headers for name in header.files}
    unrecorded: FileRecords = {}
    for name, file in base.items():
        if name in known:
            file.record = find_record(headers, name, file)
        else:
            file.record = unrecorded[name] = _record_of(file, headers[-1].after)
    return OpenedFolder(Segment(journal, numbers[0]), base, unrecorded)


def open_file(folder: Path, collection: Collection) -> CheckpointFile:
    """Open one file. Raises Damaged when it is missing or empty."""
    try:
        return CheckpointFile(folder, collection)
    except (FileNotFoundError, ValueError):
        raise Damaged(
            f"{collection.name}.json is missing or empty; put it back, or restore a backup."
        ) from None


def read_headers(folder: Path) -> list[Header]:
    """The headers of all segments, in order; read again if a checkpoint removes one meanwhile.

    Raises Damaged or OSError.
    """
    journal = folder / "journal"
    while True:
        numbers = segment_numbers(journal)
        try:
            return [read_header(journal, number) for number in numbers]
        except FileNotFoundError:
            if segment_numbers(journal) == numbers:
                raise


def find_record(headers: Sequence[Header], name: str, file: CheckpointFile) -> FileRecord:
    """The record whose checksum this file has; reads the whole file.

    Raises Damaged for a file that is not as the store left it.
    """
    found = file.fingerprint()
    records = [header.files[name] for header in headers if name in header.files]
    matching = [record for record in records if record.fingerprint == found]
    if not matching:
        raise Damaged(
            f"{name}.json is not as the service left it (edited, damaged or replaced). If the "
            "change is meant, stop the service and run `flask check --accept`; otherwise put "
            "the file back, or restore a backup."
        )
    record = max(matching)
    if record.covers < headers[0].after:
        raise Damaged(
            f"The journal begins after transaction {headers[0].after}, but {name}.json ends with "
            f"{record.covers}; restore a backup."
        )
    return record


def _adopt_files(folder: Path, new: Sequence[Collection]) -> FileRecords:
    """Validate files that the store has no record of; rewrite them in the store's own format.

    A new folder without counters gets counters that continue after the numbers of its documents.
    """
    existing = [each for each in new if path_of(folder, each.name).exists()]
    read = read_all(folder, existing)
    documents = {each.name: read[each.name].documents if each in existing else {} for each in new}
    if COUNTERS in new:
        issued = IssuedNumbers()
        counters = documents[COUNTERS.name] if COUNTERS in existing else None
        refuse_contradictions(issued, existing, read, counters)
        documents[COUNTERS.name] = counters or issued.counters()
    records = {
        each.name: write_next(folder, each, None, documents[each.name], covers=0) for each in new
    }
    publish(folder, new)
    return records


def _record_of(file: CheckpointFile, covers: int) -> FileRecord:
    """The log has nothing of a collection without a record, so the file covers all of it."""
    return FileRecord(covers, sum(1 for _ in file.lines()), *file.fingerprint())
