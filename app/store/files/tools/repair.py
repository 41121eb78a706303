"""`flask check --repair`: makes a damaged journal anew from what can be read, and tells the rest.

The service must be stopped. The steps, each safe to die after (then the command is run again):

1. Read every line of every segment that passes its checksum, and every readable file. On top of
   each file go, in order, the transactions that it has not got in it. A line that cannot be read is
   lost; where it can still be made out what it was about, that is told.
2. Copy the journal as it is to a folder damaged-N/ beside it.
3. Write each file under a temporary name; begin a segment whose header names them all.
4. Rename the files into place, then remove the damaged segments.

No number is given out twice: the counters are raised (renumbering.py).

Files are judged by what is on record. One that is on no record any more, because the header that
told of it is damaged, is validated and taken as it is; the summary says so.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

from app.kernel.disk import sync_folder
from app.store import Collection
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.folder.external_files import read_external_file
from app.store.files.folder.open import open_file
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import CheckpointFile
from app.store.files.snapshot.writer import publish, write_next
from app.store.files.tools.adopt_edits import stopped
from app.store.files.tools.renumber import Lost, raised_counters
from app.store.files.tools.verify import Finding, inspect
from app.store.files.wal.format import (
    FileRecord,
    Header,
    Line,
    decode,
    decode_header,
    encode_document,
)
from app.store.files.wal.segment import (
    create_segment,
    remove_segments,
    segment_numbers,
    segment_path,
)

_SEQ = re.compile(rb'"seq":(\d+),')
_LINE_ENDS = re.compile(rb'(?<=\n)|(?=\{"crc":")')
"""Also where the newline itself is damaged."""


class Repaired(NamedTuple):
    """What came of it: the transactions that were read, what is lost, and where the damage is."""

    transactions: int
    lost: list[Finding]
    aside: str


class ReadableJournal(NamedTuple):
    """What can be read of the journal."""

    headers: list[Header]
    transactions: dict[int, Line]
    lost: list[Finding]
    entries: list[Lost]

    @property
    def last(self) -> int:
        """The last transaction that there is, in the journal or in the readable files alone."""
        return max([0, *self.transactions, *(header.after for header in self.headers)])


def salvage(folder: Path, collections: Iterable[Collection]) -> Repaired | None:
    """Make the journal readable again; durable on return. None where it is sound.

    Raises Conflict while the service runs, Invalid for a readable file that cannot be read either,
    Damaged for one that is missing, StorageFull or Unavailable when the disk does not allow it.
    """
    declared = (*collections, COUNTERS)
    found = inspect(folder, collections).findings
    if not any(each.file.startswith("journal/") and not each.heals for each in found):
        return None
    with translating_os_errors("repairing the journal"), stopped(folder, "repair the journal"):
        wreck = read_journal(folder)
        last = wreck.last
        documents = {each.name: documents_of(folder, each, wreck) for each in declared}
        documents[COUNTERS.name] = _counters(folder, declared, wreck, documents)
        aside = _put_aside(folder)
        records = {
            each.name: write_next(folder, each, None, documents[each.name], covers=last)
            for each in declared
        }
        schema = min((header.schema for header in wreck.headers), default=0)
        begin_anew(folder, declared, records, last, schema)
    return Repaired(len(wreck.transactions), wreck.lost, aside)


def read_journal(folder: Path) -> ReadableJournal:
    """All segments, sound or not, oldest first. Raises OSError."""
    wreck = ReadableJournal([], {}, [], [])
    for number in segment_numbers(folder / "journal"):
        _read_segment(segment_path(folder / "journal", number), number, wreck)
    for seq in [*_gaps(wreck)]:
        wreck.lost.append(Finding("journal/", 0, f"Transaction {seq} is missing."))
        wreck.entries.append(Lost(seq))
    return wreck


def _read_segment(path: Path, number: int, wreck: ReadableJournal) -> None:
    name = f"journal/{path.name}"
    first, *others = [*filter(None, _LINE_ENDS.split(path.read_bytes())), b""]
    header = decode_header(first.rstrip(b"\n"), number)
    if header:
        wreck.headers.append(header)
    else:
        text = "The header is lost, and whatever stood behind it unless it is told here."
        wreck.lost.append(Finding(name, 0, text))
    offset = len(first)
    if not first.endswith(b"\n") and not any(others):
        text = "The file was cut off here; what stood behind is lost."
        wreck.lost.append(Finding(name, offset, text))
        wreck.entries.append(Lost(None))
    for entry in others:
        line = decode(entry.rstrip(b"\n")) or decode(entry[:-1])
        if line and "seq" in line:
            wreck.transactions[line["seq"]] = line
        elif entry and line is None:
            wreck.lost.append(Finding(name, offset, _told_by(entry)))
            wreck.entries.append(Lost(_seq_in(entry), entry))
        offset += len(entry)


def _gaps(wreck: ReadableJournal) -> Iterator[int]:
    """Transactions of which there is not even a line, between others that can be read."""
    sound = [*(header.after for header in wreck.headers), *wreck.transactions]
    told = {entry.seq for entry in wreck.entries}
    for seq in range(min(sound, default=0) + 1, max(sound, default=0)):
        if seq not in wreck.transactions and seq not in told:
            yield seq


def _told_by(text: bytes) -> str:
    """What a line that fails its checksum was, as far as that can be made out."""
    if (seq := _seq_in(text)) is None:
        return "An entry is lost."
    try:
        line = orjson.loads(text)
        changed = [f"{name} {key}" for name, key in _keys(line)]
    except (ValueError, TypeError, KeyError, AttributeError):
        changed = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", text.decode("utf-8", "replace"))
    about = f" It was about {', '.join(dict.fromkeys(changed))}." if changed else ""
    return f"Transaction {seq} is lost.{about}"


def _seq_in(text: bytes) -> int | None:
    seq = _SEQ.search(text)
    return int(seq[1]) if seq else None


def _keys(line: Line) -> Iterator[tuple[str, str]]:
    for name, documents in line["put"].items():
        yield from ((name, next(iter(document.values()))) for document in documents)
    for name, keys in line["delete"].items():
        yield from ((name, key) for key in keys)


def documents_of(
    folder: Path, collection: Collection, wreck: ReadableJournal
) -> Mapping[str, bytes]:
    """The documents of a file, and on top of them what the journal has that the file has not."""
    file = open_file(folder, collection)
    record = _record_of(file, wreck.headers)
    if record is None:
        documents = dict(read_external_file(folder, collection).documents)
        text = "Nothing is on record about this file any more; it was taken as it is."
        wreck.lost.append(Finding(f"{collection.name}.json", 0, text))
    else:
        documents = {orjson.loads(raw)[collection.key]: raw for raw in file.lines()}
    for seq in sorted(wreck.transactions):
        if record is None or seq > record.covers:
            _apply(wreck.transactions[seq], collection, documents)
    return documents


def _counters(
    folder: Path,
    declared: Iterable[Collection],
    wreck: ReadableJournal,
    documents: Mapping[str, Mapping[str, bytes]],
) -> Mapping[str, bytes]:
    """The counters, raised; where that leaves a gap, it is told."""
    record = _record_of(open_file(folder, COUNTERS), wreck.headers)
    covers = record.covers if record else 0
    counters, gaps = raised_counters(declared, documents, wreck.transactions, covers, wreck.entries)
    for series, number in gaps.items():
        text = f"{series} numbers go on after {number}: what is lost may have had those before."
        wreck.lost.append(Finding("counters.json", 0, text))
    return counters


def _record_of(file: CheckpointFile, headers: Iterable[Header]) -> FileRecord | None:
    found, name = file.fingerprint(), file.collection.name
    records = (header.files[name] for header in headers if name in header.files)
    return max((record for record in records if record.fingerprint == found), default=None)


def _apply(line: Line, collection: Collection, documents: dict[str, bytes]) -> None:
    for document in line["put"].get(collection.name, []):
        documents[document[collection.key]] = encode_document(document)
    for key in line["delete"].get(collection.name, []):
        documents.pop(key, None)


def _put_aside(folder: Path) -> str:
    number = 1
    while (folder / f"damaged-{number}").exists():
        number += 1
    aside = folder / f"damaged-{number}"
    shutil.copytree(folder / "journal", aside)
    sync_folder(folder)
    return aside.name


def begin_anew(
    folder: Path,
    declared: Iterable[Collection],
    records: dict[str, FileRecord],
    last: int,
    schema: int,
) -> None:
    """Have the journal begin with a header that says this: put its files in place, remove the rest.

    The files of `declared` have been written under their temporary names. Raises OSError.
    """
    journal = folder / "journal"
    newest = segment_numbers(journal)[-1]
    create_segment(journal, Header(newest + 1, last, records, schema)).close()
    publish(folder, declared)
    remove_segments(journal, newest)
