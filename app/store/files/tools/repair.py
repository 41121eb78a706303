"""Repairs a damaged journal: `flask check --repair` rebuilds it from what can be read.

The service must be stopped. The steps, each safe to die after (then the command is run again):

1. Read every line of every segment that passes its checksum, and every readable file. On top of
   each file go, in order, the transactions that it does not cover. A line that cannot be read is
   lost; the report names it, and the documents in it where they can still be made out.
2. Copy the journal as it is to a folder damaged-N/ beside it.
3. Write each file under a temporary name; begin a segment whose header names them all.
4. Rename the files into place, then remove the damaged segments.

No number is issued twice: for every lost entry, each series of numbers skips `NUMBERS_SKIPPED`.

A file is compared with the headers of the journal. One that no readable header names any more is
validated and taken as it is; the report says so.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import orjson

from app.store import Collection
from app.store.files.folder.external_files import read_external_file
from app.store.files.folder.open import JOURNAL_LOST, open_file
from app.store.files.memory.transaction import COUNTERS, LAST_ID
from app.store.files.snapshot.writer import publish, write_next
from app.store.files.tools.exclusive_access import exclusive_access
from app.store.files.tools.journal_reader import Documents, Fault, Journal, issued_numbers, replay
from app.store.files.tools.new_folder import copy_folder, new_folder
from app.store.files.tools.verify import verify
from app.store.files.wal.format import FileRecords, Header, Line, encode_document
from app.store.files.wal.segment import create_segment, remove_segments, segment_numbers

NUMBERS_SKIPPED = 1_000
"""For each lost entry and series: more numbers than one transaction issues."""

ENTRIES_OF_A_JOURNAL = 100
"""Lost entries that a missing journal counts as: it holds fewer than 100,000 orders, because a
checkpoint removes its segments."""

_SEQ = re.compile(rb'"seq":(\d+),')
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


class RepairReport(NamedTuple):
    """How many transactions were read, what is lost, and the folder with the damaged journal."""

    transactions: int
    lost: list[Fault]
    copy: str


class _ReadableJournal(NamedTuple):
    """The parts of a damaged journal that can be read, and the faults of the others."""

    headers: list[Header]
    transactions: list[Line]
    lost: list[Fault]
    lost_entries: int


def repair_journal(folder: Path, collections: Iterable[Collection]) -> RepairReport | None:
    """Rebuild a damaged journal; durable on return. None where it is sound.

    Raises Conflict while the service runs, Invalid for a readable file that cannot be read either,
    Damaged for one that is missing, StorageFull or Unavailable when the disk does not allow it.
    """
    faults = verify(folder, collections).faults
    if not any(each.file.startswith("journal/") and not each.heals for each in faults):
        return None
    collections = (*collections, COUNTERS)
    with exclusive_access(folder, "repair the journal", doing="repairing the journal"):
        journal = _read_all(Journal(folder, collections))
        seqs = [line["seq"] for line in journal.transactions]
        last = max([0, *seqs, *(header.after for header in journal.headers)])
        documents = {each.name: _documents(folder, each, journal) for each in collections}
        _raise_counters(collections, documents, journal)
        copy = _copy_journal(folder)
        records = {
            each.name: write_next(folder, each, None, documents[each.name], covers=last)
            for each in collections
        }
        schema = min((header.schema for header in journal.headers), default=0)
        replace_journal(folder, collections, records, last, schema)
    return RepairReport(len(journal.transactions), journal.lost, copy)


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


def _read_all(journal: Journal) -> _ReadableJournal:
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
            if entry.line is None:
                lost.append(Fault(segment.file, entry.offset, _describe(entry.text)))
                lost_seqs.append(_seq_in(entry.text))
            elif "seq" in entry.line:
                lines[entry.line["seq"]] = entry.line
    known = [*(header.after for header in journal.headers), *lines]
    between = range(min(known, default=0) + 1, max(known, default=0))
    missing = sorted({*between} - {*lines, *lost_seqs})
    lost.extend(Fault("journal/", 0, f"Transaction {seq} is missing.") for seq in missing)
    lost_entries = len(lost_seqs) + len(missing)
    if not journal.segments:
        lost.append(Fault("journal/", 0, JOURNAL_LOST))
        lost_entries = ENTRIES_OF_A_JOURNAL
    transactions = [line for _, line in sorted(lines.items())]
    return _ReadableJournal(journal.headers, transactions, lost, lost_entries)


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


def _documents(folder: Path, collection: Collection, journal: _ReadableJournal) -> dict[str, bytes]:
    """The documents of a file, and on top of them the transactions that it does not cover."""
    file, name = open_file(folder, collection), collection.name
    found = file.fingerprint()
    records = [header.files[name] for header in journal.headers if name in header.files]
    covers = max((each.covers for each in records if each.fingerprint == found), default=-1)
    if covers < 0:
        documents = dict(read_external_file(folder, collection).documents)
        text = "No header names this file any more; it was taken as it is."
        journal.lost.append(Fault(f"{name}.json", 0, text))
    else:
        documents = {orjson.loads(raw)[collection.key]: raw for raw in file.lines()}
    replay(journal.transactions, collection, covers, documents)
    return documents


def _raise_counters(
    collections: Iterable[Collection], documents: Documents, journal: _ReadableJournal
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


def _copy_journal(folder: Path) -> str:
    """Copy the journal to the next free damaged-N/, durably; returns that name."""
    names = (f"damaged-{number}" for number in count(1))
    name = next(each for each in names if not (folder / each).exists())
    with new_folder(folder / name) as copy:
        copy_folder(folder / "journal", copy)
    return name
