"""Adopts files that a person edited while the service was stopped: `flask check --accept`.

The steps, each safe to die after (then the files are still edited, and the command is run again):

1. Validate every edited file strictly, by itself and against all others: no number and no id that
   was issued may be issued again (issued_numbers.py). A refusal changes no document.
2. Write each in the store's own form under a temporary name. Transactions in the journal that the
   file never had in it (there are some after a crash) go on top of the edit.
3. Begin a journal segment whose header names the new files and says that they cover everything up
   to now. From here on no older entry of the journal can override the edit.
4. Rename the files into place and sync the folder.
5. Write to the journal that they are in place; a later edit is compared with them.

Where a crash during a checkpoint left two versions of a file on record, the edit counts as one of
the older version, so that no acknowledged transaction is lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import orjson

from app.kernel.errors import Damaged
from app.store import Collection
from app.store.files.folder.external_files import ExternalFile, read_all, refuse_contradictions
from app.store.files.folder.open import find_record, open_file, read_headers
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.snapshot.writer import publish, write_next
from app.store.files.tools.exclusive_access import exclusive_access
from app.store.files.tools.journal_reader import Documents, Journal, issued_numbers, replay
from app.store.files.wal.format import FileRecord, FileRecords, Header, Line
from app.store.files.wal.log import WriteAheadLog
from app.store.files.wal.segment import Segment, segment_numbers


class AdoptedFile(NamedTuple):
    """One adopted file: how many documents it had on record, and has now.

    `replayed` counts the changes that were in the journal alone and went on top of the edit.
    """

    file: str
    documents_before: int
    documents: int
    replayed: int


def adopt_edits(folder: Path, collections: Iterable[Collection]) -> list[AdoptedFile]:
    """Take every edited file of the data folder as true; the result is durable on return.

    Raises Conflict while the service runs, Invalid with file, line and reason for a file that
    breaks the rules or contradicts another one (nothing is changed then), Damaged for a journal
    that cannot be read, StorageFull or Unavailable when the disk does not allow it.
    """
    collections = (*collections, COUNTERS)
    with exclusive_access(folder, "accept the edited files", doing="accepting the edited files"):
        untouched, edited = _find_edited(folder, collections, read_headers(folder))
        if not edited:
            return []
        read = _read(folder, edited)
        journal = Journal(folder, collections)
        _refuse_damaged(journal)
        transactions = list(journal.transactions())
        before = {each.name: _edited_version(journal, each.name) for each in edited}
        documents = {name: file.documents for name, file in read.items()}
        replayed = {
            each.name: replay(transactions, each, before[each.name].covers, documents[each.name])
            for each in edited
        }
        issued = issued_numbers(transactions, collections)
        for each in collections:
            if each.name in untouched:
                for raw in open_file(folder, each).lines():
                    issued.add(each, orjson.loads(raw))
        counters = _counters(folder, documents, untouched, transactions)
        refuse_contradictions(issued, collections, read, counters)
        _put_in_place(folder, edited, documents, untouched)
    return [
        AdoptedFile(f"{name}.json", record.documents, len(documents[name]), replayed[name])
        for name, record in before.items()
    ]


def _find_edited(
    folder: Path, collections: Iterable[Collection], headers: Sequence[Header]
) -> tuple[FileRecords, list[Collection]]:
    """The records of the files that are as the store left them, and the other collections.

    A missing file counts as edited; one that is on no record is left to the next start.
    """
    known = {name for header in headers for name in header.files}
    untouched: FileRecords = {}
    edited = []
    for each in collections:
        if each.name in known:
            try:
                untouched[each.name] = find_record(headers, each.name, open_file(folder, each))
            except Damaged:
                edited.append(each)
    return untouched, edited


def _read(folder: Path, edited: Iterable[Collection]) -> dict[str, ExternalFile]:
    """The contents of the edited files. Raises Invalid.

    A missing file of counters is read as empty; the later refusal names the counters it must have.
    """
    is_lost = not path_of(folder, COUNTERS.name).exists()
    read = read_all(folder, (each for each in edited if each is not COUNTERS or not is_lost))
    if is_lost and COUNTERS in edited:
        read[COUNTERS.name] = ExternalFile({}, {})
    return read


def _refuse_damaged(journal: Journal) -> None:
    for fault in journal.faults():
        if not fault.heals:
            raise Damaged(
                f"{fault.file} is damaged at byte {fault.offset}: {fault.text} Restore a backup, "
                "or run `flask check --repair`, which keeps what can be read and lists what is "
                "lost."
            )


def _edited_version(journal: Journal, name: str) -> FileRecord:
    """The version of the file that was edited; of two that it may have been, the older."""
    headers: list[Header] = []
    for segment, header in zip(journal.segments, journal.headers, strict=True):
        headers.append(header)
        if any("published" in line for line in segment.lines()):
            headers = [header]
    records = [header.files[name] for header in headers if name in header.files]
    usable = [record for record in records if record.covers >= journal.headers[0].after]
    if not usable:
        raise Damaged(f"Segments of journal/ that {name}.json needs are missing.")
    return min(usable)


def _counters(
    folder: Path, documents: Documents, untouched: FileRecords, transactions: Iterable[Line]
) -> Mapping[str, bytes]:
    """The counters as they will be."""
    if COUNTERS.name in documents:
        return documents[COUNTERS.name]
    lines = open_file(folder, COUNTERS).lines()
    counters = {orjson.loads(raw)[COUNTERS.key]: raw for raw in lines}
    replay(transactions, COUNTERS, untouched[COUNTERS.name].covers, counters)
    return counters


def _put_in_place(
    folder: Path, edited: Sequence[Collection], documents: Documents, untouched: FileRecords
) -> None:
    journal = folder / "journal"
    with closing(WriteAheadLog(journal, Segment(journal, segment_numbers(journal)[-1]))) as wal:
        for _ in wal.recover_tail():  # to its end, where it cuts off an unfinished entry
            pass
        records = {
            each.name: write_next(folder, each, None, documents[each.name], covers=wal.seq)
            for each in edited
        }
        wal.switch_to(wal.create_next(wal.segment.header.files | untouched | records))
        publish(folder, edited)
        wal.append_published(0)
        wal.segment.sync()
