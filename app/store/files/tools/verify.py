"""`flask check` for the files: reads every one, changes nothing, and may run beside the service."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import NamedTuple

import orjson

from app.kernel.errors import Damaged, Invalid, Unavailable
from app.store import Collection
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.disk.locks import ProcessLock
from app.store.files.folder.external_files import read_external_file
from app.store.files.folder.open import find_record, open_file
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import HEAD, CheckpointFile, path_of
from app.store.files.wal.format import Header, decode, decode_header, is_torn
from app.store.files.wal.segment import segment_numbers, segment_path


class Finding(NamedTuple):
    """Something that is not as it should be: in which file of the data folder, from which byte on.

    `heals` says that the next start deals with it by itself.
    """

    file: str
    offset: int
    text: str
    heals: bool = False


class Verification(NamedTuple):
    """What was read, and what was found. Without findings the folder is as the store left it."""

    files: int
    documents: int
    segments: int
    transactions: int
    findings: list[Finding]


def inspect(
    folder: Path,
    collections: Iterable[Collection],
    lock_timeout_s: float = 5.0,
    *,
    is_locked: bool = False,
) -> Verification:
    """Verify every readable file and every line of the journal, as they stand at one moment.

    `is_locked` says that the caller holds store.lock already.

    Raises Unavailable when the disk fails, or the writers make no room within `lock_timeout_s`.
    """
    declared = (*collections, COUNTERS)
    findings: list[Finding] = []
    with translating_os_errors("reading the data folder"):
        with nullcontext() if is_locked else _writers_wait(folder, lock_timeout_s):
            segments = [_Segment(folder, n) for n in segment_numbers(folder / "journal")]
            headers = [segment.header for segment in segments if segment.header]
            recorded = {name for header in headers for name in header.files}
            files = list(_open_files(folder, declared, recorded, findings))
        if len(headers) == len(segments):
            documents = sum(_inspect_file(folder, headers, file, findings) for file in files)
        else:
            documents = 0
    known = {each.name for each in declared}
    for segment, following in zip_longest(segments, segments[1:]):
        findings.extend(segment.findings(known, following))
    findings.extend(_gaps(segments))
    transactions = sum(segment.transactions for segment in segments)
    return Verification(len(files), documents, len(segments), transactions, findings)


@contextmanager
def _writers_wait(folder: Path, timeout_s: float) -> Iterator[None]:
    """Nobody writes meanwhile. Where there is no lock file there are no writers either."""
    lock = ProcessLock(folder / "store.lock")
    if (folder / "store.lock").exists() and not lock.acquire(timeout_s):
        raise Unavailable("The service is busy; try again.")
    try:
        yield
    finally:
        lock.release()


def _open_files(
    folder: Path, collections: Iterable[Collection], recorded: set[str], findings: list[Finding]
) -> Iterator[CheckpointFile]:
    """The files, and a finding for each that is on record but missing, or there but empty."""
    for each in collections:
        try:
            yield open_file(folder, each)
        except Damaged as error:
            if each.name in recorded or path_of(folder, each.name).exists():
                findings.append(Finding(f"{each.name}.json", 0, str(error)))


def _inspect_file(
    folder: Path, headers: Sequence[Header], file: CheckpointFile, findings: list[Finding]
) -> int:
    """Add what is wrong with the file; returns how many documents it holds."""
    name = file.collection.name
    try:
        if any(name in header.files for header in headers):
            return find_record(headers, name, file).documents
    except Damaged as error:
        findings.append(Finding(f"{name}.json", _first_fault(file), str(error)))
    try:
        return len(read_external_file(folder, file.collection).documents)
    except Invalid as error:
        findings.extend(Finding(f"{name}.json", 0, each.message) for each in error.problems)
        return 0


def _first_fault(file: CheckpointFile) -> int:
    """Where the first line begins that the store did not write; 0 when each could be its own."""
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


def _gaps(segments: Sequence["_Segment"]) -> Iterator[Finding]:
    for segment, following in pairwise(segments):
        if following.number != segment.number + 1:
            yield Finding(following.file, 0, f"Segment {segment.number + 1} before it is missing.")
        elif segment.is_whole and following.header and following.header.after != segment.seq:
            text = f"It ends with transaction {segment.seq} of {following.header.after}."
            yield Finding(segment.file, len(segment.data), text)


class _Segment:
    """A segment as it was read. `seq` is the last of its transactions that is in order."""

    def __init__(self, folder: Path, number: int) -> None:
        path = segment_path(folder / "journal", number)
        self.number = number
        self.file = f"journal/{path.name}"
        self.data = path.read_bytes()
        text, newline, _ = self.data.partition(b"\n")
        self.header = decode_header(text, number) if newline else None
        self.seq = self.header.after if self.header else 0
        self.transactions = 0
        self.is_whole = False

    def findings(self, known: set[str], following: "_Segment | None") -> Iterator[Finding]:
        """The first fault, if there is one. `known` are the collections that there may be."""
        if self.header is None:
            yield Finding(
                self.file, 0, "The header cannot be read, nor what it has on record about files."
            )
            return
        offset = self.data.index(b"\n") + 1
        while offset < len(self.data):
            end = self.data.find(b"\n", offset)
            fault = self._fault(self.data[offset:end] if end >= 0 else b"", known)
            if fault is None:
                offset = end + 1
            elif fault or not self._heals(offset, following):
                yield Finding(self.file, offset, fault or "The entry is damaged.")
                return
            else:
                text = "An entry was not finished; the next start keeps it aside and goes on."
                yield Finding(self.file, offset, text, heals=True)
                return
        self.is_whole = True

    def _heals(self, offset: int, following: "_Segment | None") -> bool:
        """Whether what stands from `offset` on is a write that a crash cut short.

        Where a segment follows that begins with the very next transaction, it was the line that
        leads there: nothing else is written once the next segment exists.
        """
        if following is None:
            return is_torn(self.data[offset:], self.seq + 1)
        return following.header is not None and following.header.after == self.seq

    def _fault(self, text: bytes, known: set[str]) -> str | None:
        """What is wrong with one line: "" when it cannot be read, None when nothing is."""
        line = decode(text)
        if line is None:
            return ""
        if "seq" not in line:
            return None
        if line["seq"] != self.seq + 1:
            return f"Transaction {line['seq']} follows {self.seq}."
        if unknown := (line["put"].keys() | line["delete"].keys()) - known:
            return f"This version does not know documents of the kind {', '.join(sorted(unknown))}."
        self.seq = line["seq"]
        self.transactions += 1
        return None
