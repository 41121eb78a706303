"""Repairs a damaged data folder: `flask check --repair` rebuilds it from what can be read.

The service must be stopped. The steps, each safe to die after (then the command is run again):

1. Read every line of every segment that passes its checksum, also where its line end or spaces were
   changed, and every readable file. On top of each file go, in order, the transactions that it does
   not cover. A line that cannot be read is lost; the report names it, and the documents in it where
   they can still be made out. So is a document in a file that cannot be read or breaks the rules.
2. Copy the journal as it is to a folder damaged-N/ beside it, with the files that are damaged.
3. Write each file under a temporary name; begin a segment whose header names them all.
4. Rename the files into place, then remove the damaged segments.

No number is issued twice: for every lost entry, each series of numbers skips `NUMBERS_SKIPPED`.

A file is compared with the headers of the journal. One that no readable header names is taken as it
is, but for documents that break the rules; the report says so.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

import orjson

from app.kernel.errors import Damaged
from app.store import Collection
from app.store.files.folder.external_files import read_valid_documents
from app.store.files.folder.open import JOURNAL_LOST, open_file
from app.store.files.memory.transaction import COUNTERS, LAST_ID
from app.store.files.snapshot.checkpoint_file import CheckpointFile, path_of
from app.store.files.snapshot.writer import publish, write_next
from app.store.files.tools.exclusive_access import exclusive_access
from app.store.files.tools.journal_reader import Documents, Fault, Journal, issued_numbers, replay
from app.store.files.tools.new_folder import copy_folder, new_folder
from app.store.files.tools.verify import verify
from app.store.files.wal.format import FileRecords, Header, Line, encode_document
from app.store.files.wal.segment import create_segment, remove_segments, segment_numbers
from app.system.disk import copy_file

NUMBERS_SKIPPED = 1_000
"""For each lost entry and series: more numbers than one transaction issues."""

ENTRIES_OF_A_JOURNAL = 100
"""Lost entries that a missing journal or newest segment counts as: it holds fewer than 100,000
orders, because a checkpoint removes its segments."""

_SEQ = re.compile(rb'"seq":(\d+),')
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


class RepairReport(NamedTuple):
    """How many transactions were read, what is lost, and the folder with what was damaged."""

    transactions: int
    lost: list[Fault]
    copy: str


@dataclass
class _Readable:
    """The parts of a damaged folder that can be read, and the faults of the others.

    `damaged_files` are the files that are not as the store left them.
    """

    headers: list[Header]
    transactions: list[Line]
    lost: list[Fault]
    lost_entries: int
    damaged_files: list[Path] = field(default_factory=list)


def repair_folder(folder: Path, collections: Iterable[Collection]) -> RepairReport | None:
    """Rebuild a damaged journal and damaged files; durable on return. None where all is sound.

    Raises Conflict while the service runs, StorageFull or Unavailable when the disk does not allow
    it.
    """
    if all(each.heals for each in verify(folder, collections).faults):
        return None
    collections = (*collections, COUNTERS)
    with exclusive_access(folder, "repair the journal", doing="repairing the journal"):
        readable = _read_all(Journal(folder, collections))
        seqs = [line["seq"] for line in readable.transactions]
        last = max([0, *seqs, *(header.after for header in readable.headers)])
        documents = {each.name: _documents(folder, each, readable) for each in collections}
        _raise_counters(collections, documents, readable)
        copy = _copy_damaged(folder, readable.damaged_files)
        records = {
            each.name: write_next(folder, each, None, documents[each.name], covers=last)
            for each in collections
        }
        schema = min((header.schema for header in readable.headers), default=0)
        replace_journal(folder, collections, records, last, schema)
    return RepairReport(len(readable.transactions), readable.lost, copy)


def replace_journal(
    folder: Path, collections: Iterable[Collection], records: FileRecords, last: int, schema: int
) -> None:
    """Replace all segments by one whose header has these `records`, up to transaction `last`.

    The files of `collections`, written under their temporary names, are renamed into place before
    the old segments are removed. Raises OSError.
    """
    journal = folder / "journal"
    newest = max(segment_numbers(journal), default=0)
    create_segment(journal, Header(newest + 1, last, records, schema)).close()
    publish(folder, collections)
    remove_segments(journal, newest)


def _read_all(journal: Journal) -> _Readable:
    """Every transaction that can be read, in order, and a fault for each that cannot."""
    lines: dict[int, Line] = {}
    lost: list[Fault] = []
    lost_seqs: list[int | None] = []
    for segment in journal.segments:
        if segment.is_cut_off:
            lost_seqs.append(None)
        if segment.is_cut_off or segment.header is None:
            lost.append(Fault(segment.file, 0, str(segment.sound_part.fault)))
        for entry in segment.entries():
            if entry.line is None and entry.text.strip():
                lost.append(Fault(segment.file, entry.offset, _describe(entry.text)))
                lost_seqs.append(_seq_in(entry.text))
            elif entry.line and "seq" in entry.line:
                lines[entry.line["seq"]] = entry.line
    known = [*(header.after for header in journal.headers), *lines]
    between = range(min(known, default=0) + 1, max(known, default=0))
    missing = sorted({*between} - {*lines, *lost_seqs})
    lost.extend(Fault("journal/", 0, f"Transaction {seq} is missing.") for seq in missing)
    lost_entries = len(lost_seqs) + len(missing)
    if not journal.segments:
        lost.append(Fault("journal/", 0, JOURNAL_LOST))
        lost_entries = ENTRIES_OF_A_JOURNAL
    if missing_end := journal.missing_end:
        lost.append(missing_end)
        lost_entries += ENTRIES_OF_A_JOURNAL
    transactions = [line for _, line in sorted(lines.items())]
    return _Readable(journal.headers, transactions, lost, lost_entries)


def _describe(text: bytes) -> str:
    """Describe a line that fails its checksum, as far as it can still be made out."""
    if (seq := _seq_in(text)) is None:
        return "An entry is lost."
    try:
        keys = list(_keys(orjson.loads(text)))
    except (ValueError, TypeError, KeyError, AttributeError):
        keys = _ID.findall(text.decode("utf-8", "replace"))
    about = f" It was about {', '.join(dict.fromkeys(keys))}." if keys else ""
    return f"Transaction {seq} is lost.{about}"


def _seq_in(text: bytes) -> int | None:
    seq = _SEQ.search(text)
    return int(seq[1]) if seq else None


def _keys(line: Line) -> Iterator[str]:
    """The documents that a transaction put or deleted, each as collection and key."""
    for name, documents in line["put"].items():
        yield from (f"{name} {next(iter(document.values()))}" for document in documents)
    for name, keys in line["delete"].items():
        yield from (f"{name} {key}" for key in keys)


def _documents(folder: Path, collection: Collection, readable: _Readable) -> dict[str, bytes]:
    """The documents of a file, and on top of them the transactions that it does not cover."""
    name, covers = collection.name, -1
    records = [header.files[name] for header in readable.headers if name in header.files]
    file = _open_if_there(folder, collection)
    if file is not None:
        found = file.fingerprint()
        covers = max((each.covers for each in records if each.fingerprint == found), default=-1)
    if file is not None and covers >= 0:
        documents = {orjson.loads(raw)[collection.key]: raw for raw in file.lines()}
    else:
        documents = _valid_documents(folder, collection, readable)
    replay(readable.transactions, collection, covers, documents)
    return documents


def _open_if_there(folder: Path, collection: Collection) -> CheckpointFile | None:
    """The file; None where it is missing or empty."""
    try:
        return open_file(folder, collection)
    except Damaged:
        return None


def _valid_documents(folder: Path, collection: Collection, readable: _Readable) -> dict[str, bytes]:
    """The valid documents of a file that no header names; adds to the report what is not known."""
    path = path_of(folder, collection.name)
    documents, faults = read_valid_documents(folder, collection)
    if path.exists():
        readable.damaged_files.append(path)
        faults.insert(
            0,
            "No segment header has this file's checksum. Its documents were taken as they are, and "
            "may differ from what the service wrote.",
        )
    readable.lost += [Fault(path.name, 0, text) for text in faults]
    readable.lost_entries += len(faults) > path.exists()
    return documents


def _raise_counters(
    collections: Iterable[Collection], documents: Documents, journal: _Readable
) -> None:
    """Set the counters so that no number is issued twice; adds to the report what was skipped.

    A counter is not below any number in a document or a readable entry.
    """
    issued = issued_numbers(journal.transactions, collections)
    for each in collections:
        for raw in documents[each.name].values():
            issued.add(each, orjson.loads(raw))
    counters = [*map(orjson.loads, issued.counters().values())]
    counters += map(orjson.loads, documents[COUNTERS.name].values())
    for line in journal.transactions:
        counters += line["put"].get(COUNTERS.name, [])
    counters.sort(key=lambda counter: (counter["name"], counter["value"]))
    skipped = NUMBERS_SKIPPED * journal.lost_entries
    for name, value in {each["name"]: each["value"] for each in counters}.items():
        if skipped and name != LAST_ID:
            value += skipped
            reason = "a lost entry may have used numbers up to there."
            text = f"{name} numbers go on after {value}: {reason}"
            journal.lost.append(Fault("counters.json", 0, text))
        counter = encode_document({COUNTERS.key: name, "value": value})
        documents[COUNTERS.name][name] = counter


def _copy_damaged(folder: Path, files: Iterable[Path]) -> str:
    """Copy the journal and these files to the next free damaged-N/, durably; returns that name."""
    names = (f"damaged-{number}" for number in count(1))
    name = next(each for each in names if not (folder / each).exists())
    with new_folder(folder / name) as copy:
        copy_folder(folder / "journal", copy)
        for each in files:
            copy_file(each, copy / each.name)
    return name
