"""`flask check --accept`: takes files that a person edited, with the service stopped, as true.

The steps, each safe to die after (then the files are still edited, and the command is run again):

1. Validate every edited file strictly, by itself and with all others: no number and no id that was
   given out may be given again (ledger.py). A refusal changes no document.
2. Write each in the store's own form under a temporary name. Transactions of the journal that the
   file never had in it (there are some after a crash) go on top of the edit.
3. Begin a journal segment whose header names the new files and says that they cover everything up
   to now. From here on no older entry of the journal can override the edit.
4. Rename the files into place and sync the folder.
5. Write down that they are in place; from here on they are what a later edit begins from.

Where a crash in the middle of a checkpoint left two versions of a file on record, the edit counts
as one of the older, so that no acknowledged transaction can be lost.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson

from app.kernel.errors import Conflict, Damaged
from app.store import Collection, Document
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.locks import ProcessLock
from app.store.files.folder.external_files import ExternalFile, read_all, refuse_contradictions
from app.store.files.folder.issued_numbers import IssuedNumbers
from app.store.files.folder.open import find_record, open_file, read_headers
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.snapshot.writer import publish, write_next
from app.store.files.wal.format import FileRecord, Header, Line, encode_document
from app.store.files.wal.log import WriteAheadLog
from app.store.files.wal.segment import Segment

_PATIENCE_S = 1.0


class AdoptedFile(NamedTuple):
    """One file that was taken as true: its documents on record before, and now.

    `replayed` counts the changes that were still in the journal alone and went on top of the edit.
    """

    file: str
    documents_before: int
    documents: int
    replayed: int


def accept(folder: Path, collections: Iterable[Collection]) -> list[AdoptedFile]:
    """Take every edited file of the data folder as true; the result is durable on return.

    Raises Conflict while the service runs, Invalid with file, line and reason for a file that
    breaks the rules or contradicts another one (nothing is changed then), Damaged for a journal
    that cannot be read, StorageFull or Unavailable when the disk does not allow it.
    """
    with (
        translating_os_errors("accepting the edited files"),
        stopped(folder, "accept the edited files"),
    ):
        headers = read_headers(folder)
        declared = (*collections, COUNTERS)
        untouched, edited = _judge(folder, declared, headers)
        if not edited:
            return []
        read = _read(folder, edited)
        documents = {name: found.documents for name, found in read.items()}
        wal = WriteAheadLog(folder / "journal", Segment(folder / "journal", headers[0].segment))
        try:
            history = _History(wal)
            before = {each.name: history.record_of(each.name) for each in edited}
            replayed = {
                each.name: history.replay(each, before[each.name].covers, documents[each.name])
                for each in edited
            }
            ledger = _known(folder, declared, untouched, history)
            counters = _counters(folder, read, untouched, history)
            refuse_contradictions(ledger, declared, read, counters)
            _put_in_place(folder, wal, edited, documents, untouched)
        finally:
            wal.close()
    return [
        AdoptedFile(f"{name}.json", record.documents, len(documents[name]), replayed[name])
        for name, record in before.items()
    ]


@contextmanager
def stopped(folder: Path, act: str) -> Iterator[None]:
    """Hold every lock of the folder, to `act`. Raises Conflict when somebody else has one."""
    with ExitStack() as stack:
        for name in ("leader.lock", "checkpoint.lock", "store.lock"):
            lock = ProcessLock(folder / name)
            if not lock.acquire(_PATIENCE_S):
                raise Conflict(f"The service is running; stop it, then {act}.")
            stack.callback(lock.release)
        yield


def _judge(
    folder: Path, collections: Iterable[Collection], headers: Sequence[Header]
) -> tuple[dict[str, FileRecord], list[Collection]]:
    """The records of the files that are as the store left them, and the other collections.

    A missing file counts as edited; one that is on no record is left to the next start.
    """
    known = {name for header in headers for name in header.files}
    untouched: dict[str, FileRecord] = {}
    edited = []
    for each in collections:
        if each.name in known:
            try:
                untouched[each.name] = find_record(headers, each.name, open_file(folder, each))
            except Damaged:
                edited.append(each)
    return untouched, edited


def _read(folder: Path, edited: Iterable[Collection]) -> dict[str, ExternalFile]:
    """What the edited files hold. Raises Invalid.

    A missing file of counters is taken for empty: what has to stand in it is told afterwards.
    """
    lost = not path_of(folder, COUNTERS.name).exists()
    read = read_all(folder, (each for each in edited if each is not COUNTERS or not lost))
    return read | {each.name: ExternalFile({}, {}) for each in edited if each is COUNTERS and lost}


def _known(
    folder: Path,
    declared: Iterable[Collection],
    untouched: Mapping[str, FileRecord],
    history: "_History",
) -> IssuedNumbers:
    """What was given out, by the files that nobody touched and by every transaction."""
    ledger = IssuedNumbers()
    for each in declared:
        if each.name in untouched:
            for raw in open_file(folder, each).lines():
                ledger.add(each, orjson.loads(raw))
        for document in history.documents_of(each):
            ledger.add(each, document)
    return ledger


def _counters(
    folder: Path,
    read: Mapping[str, ExternalFile],
    untouched: Mapping[str, FileRecord],
    history: "_History",
) -> Mapping[str, bytes]:
    """The counters as they will be."""
    if COUNTERS.name in read:
        return read[COUNTERS.name].documents
    lines = open_file(folder, COUNTERS).lines()
    counters = {orjson.loads(raw)[COUNTERS.key]: raw for raw in lines}
    history.replay(COUNTERS, untouched[COUNTERS.name].covers, counters)
    return counters


class _History:
    """What the journal says: which versions of the files there may be, and every transaction."""

    def __init__(self, wal: WriteAheadLog) -> None:
        self._begins_after = wal.seq
        self._headers = [wal.segment.header]
        self._transactions: list[Line] = []
        for line in wal.recover_tail():
            if "segment" in line:
                self._headers.append(wal.segment.header)
            elif "published" in line:
                self._headers = self._headers[-1:]
            else:
                self._transactions.append(line)

    def record_of(self, name: str) -> FileRecord:
        """The version of the file that was edited; of two that it may have been, the older."""
        records = [header.files[name] for header in self._headers if name in header.files]
        usable = [record for record in records if record.covers >= self._begins_after]
        if not usable:
            raise Damaged(f"Segments of journal/ that {name}.json needs are missing.")
        return min(usable)

    def documents_of(self, collection: Collection) -> Iterator[Document]:
        """Every document of a collection that a transaction has put."""
        for line in self._transactions:
            yield from line["put"].get(collection.name, [])

    def replay(self, collection: Collection, covers: int, documents: dict[str, bytes]) -> int:
        """Apply to `documents` what came after `covers`; returns how many changes that were."""
        name, replayed = collection.name, 0
        for line in self._transactions:
            if line["seq"] > covers:
                put, delete = line["put"].get(name, []), line["delete"].get(name, [])
                documents.update({each[collection.key]: encode_document(each) for each in put})
                for key in delete:
                    documents.pop(key, None)
                replayed += len(put) + len(delete)
        return replayed


def _put_in_place(
    folder: Path,
    wal: WriteAheadLog,
    edited: Sequence[Collection],
    documents: dict[str, dict[str, bytes]],
    untouched: dict[str, FileRecord],
) -> None:
    records = {
        each.name: write_next(folder, each, None, documents[each.name], covers=wal.seq)
        for each in edited
    }
    wal.switch_to(wal.create_next(wal.segment.header.files | untouched | records))
    publish(folder, edited)
    wal.append_published(0)
    wal.segment.sync()
