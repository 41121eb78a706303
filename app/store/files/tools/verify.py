"""Verifies the files for `flask check` (as fsck does): reads each one, and changes nothing.

It may run beside the service.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import orjson

from app.kernel.errors import Damaged, Invalid, Unavailable
from app.store import Collection
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.locks import ProcessLock
from app.store.files.folder.external_files import read_external_file
from app.store.files.folder.open import (
    JOURNAL_LOST,
    find_record,
    has_lost_journal,
    open_file,
)
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import HEAD, CheckpointFile, path_of
from app.store.files.tools.journal_reader import Fault, Journal
from app.store.files.wal.format import Header


class VerifyReport(NamedTuple):
    """How much was read, and every fault. Without faults the folder is as the store left it."""

    files: int
    documents: int
    segments: int
    transactions: int
    faults: list[Fault]


def verify(
    folder: Path, collections: Iterable[Collection], lock_timeout_s: float | None = 5.0
) -> VerifyReport:
    """Verify every readable file and every line of the journal, as they stand at one moment.

    `lock_timeout_s` is None where the caller holds store.lock already.

    Raises Unavailable when the disk fails, or store.lock stays taken for `lock_timeout_s`.
    """
    collections = (*collections, COUNTERS)
    faults: list[Fault] = []
    documents = 0
    with translating_os_errors("reading the data folder"):
        with nullcontext() if lock_timeout_s is None else _without_writers(folder, lock_timeout_s):
            journal = Journal(folder, collections)
            known = {name for header in journal.headers for name in header.files}
            files = list(_open_files(folder, collections, known, faults))
        if len(journal.headers) == len(journal.segments):
            documents = sum(_verify_file(folder, journal.headers, file, faults) for file in files)
    faults.extend(journal.faults())
    if has_lost_journal(folder):
        faults.append(Fault("journal/", 0, JOURNAL_LOST))
    transactions = sum(segment.sound_part.transactions for segment in journal.segments)
    return VerifyReport(len(files), documents, len(journal.segments), transactions, faults)


@contextmanager
def _without_writers(folder: Path, timeout_s: float) -> Iterator[None]:
    """Hold store.lock. Where there is no such file there are no writers either."""
    lock = ProcessLock(folder / "store.lock")
    if (folder / "store.lock").exists() and not lock.acquire(timeout_s):
        raise Unavailable("The service is busy; try again.")
    try:
        yield
    finally:
        lock.release()


def _open_files(
    folder: Path, collections: Iterable[Collection], known: set[str], faults: list[Fault]
) -> Iterator[CheckpointFile]:
    """Open the files; adds a fault for each that is on record but missing, or there but empty."""
    for each in collections:
        try:
            yield open_file(folder, each)
        except Damaged as error:
            if each.name in known or path_of(folder, each.name).exists():
                faults.append(Fault(f"{each.name}.json", 0, str(error)))


def _verify_file(
    folder: Path, headers: Sequence[Header], file: CheckpointFile, faults: list[Fault]
) -> int:
    """Add the faults of a file; returns how many documents it holds."""
    name = file.collection.name
    try:
        if any(name in header.files for header in headers):
            return find_record(headers, name, file).documents
    except Damaged as error:
        faults.append(Fault(f"{name}.json", _first_foreign_line(file), str(error)))
    try:
        return len(read_external_file(folder, file.collection).documents)
    except Invalid as error:
        faults.extend(Fault(f"{name}.json", 0, each.message) for each in error.problems)
        return 0


def _first_foreign_line(file: CheckpointFile) -> int:
    """Where the first line begins that the store cannot have written; 0 where there is none."""
    offset, last = len(HEAD), b""
    for raw in file.lines():
        try:
            key = orjson.dumps(orjson.loads(raw)[file.collection.key])
        except (ValueError, KeyError, TypeError):
            return offset
        if key <= last:
            return offset
        offset, last = offset + len(raw) + len(b",\n"), key
    return 0
