"""Reads the journal for the offline tools, sound or damaged, and names its faults by file and byte.

A segment is *sound* up to its first fault: a line that fails its checksum, a transaction out of
order, or documents of a kind that this version does not know. `Journal.transactions` are those of
the sound parts, as a start of the service would read them. `SegmentReader.entries` is every line
that can be read, after a fault too; only a repair uses that. The format, and what distinguishes a
torn tail from damage, stand in wal/format.py. Nothing here writes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, pairwise, takewhile, zip_longest
from pathlib import Path
from typing import NamedTuple

from app.store import Collection
from app.store.files.folder.issued_numbers import IssuedNumbers
from app.store.files.wal.format import (
    Line,
    decode,
    decode_changed,
    decode_header,
    encode_document,
    header_of,
    is_torn,
)
from app.store.files.wal.segment import segment_numbers, segment_path

_LINE_START = re.compile(rb'(?=\{"crc":")')
"""Where a line begins, also behind a newline that is damaged."""

Documents = dict[str, dict[str, bytes]]
"""Documents as stored JSON, by collection and key."""

_DAMAGED = "The entry is damaged."
_CHANGED = "The header is not as it was written: its line end or its spaces were changed."


class Fault(NamedTuple):
    """Something wrong in a file of the data folder, from byte `offset` on.

    `heals` says that the next start of the service repairs it.
    """

    file: str
    offset: int
    text: str
    heals: bool = False

    def __str__(self) -> str:
        """The fault in one line."""
        return f"{self.file}, byte {self.offset}: {self.text}"


class Entry(NamedTuple):
    """A line of a segment after the header, or a part of one in which a newline is damaged.

    `line` is None where the checksum fails. `is_whole` says that it is as it was written, and that
    a newline ends it; a line that is not may still be readable (format.decode_changed).
    """

    offset: int
    text: bytes
    line: Line | None
    is_whole: bool


class _SoundPart(NamedTuple):
    """Up to which byte a segment is sound, its last transaction, their count, and the fault."""

    end: int
    seq: int
    transactions: int
    fault: str | None


class SegmentReader:
    """One segment, read whole. `header` is None where it cannot be read."""

    def __init__(self, folder: Path, number: int, known: frozenset[str]) -> None:
        """Read the file; `known` are the names of the collections that there may be."""
        path = segment_path(folder / "journal", number)
        self.number = number
        self.file = f"journal/{path.name}"
        self._data = path.read_bytes()
        self._known = known
        first = next(_split(self._data), None)
        self.header = header_of(first.line, number) if first else None

    @property
    def is_cut_off(self) -> bool:
        """Whether the file ends within its header, or right behind it without a newline."""
        return b"\n" not in self._data and not any(self.entries())

    def entries(self) -> Iterator[Entry]:
        """Every line after the header, sound or not."""
        return islice(_split(self._data), 1, None)

    def lines(self) -> Iterator[Line]:
        """The lines of the sound part."""
        sound = takewhile(lambda entry: entry.offset < self.sound_part.end, self.entries())
        return (entry.line for entry in sound if entry.line)

    @cached_property
    def sound_part(self) -> _SoundPart:
        """Where the sound part ends, and why."""
        if self.is_cut_off:
            return _SoundPart(0, 0, 0, "The file was cut off here; the rest of it is lost.")
        if self.header is None:
            text = "The header cannot be read, nor the checksums of files in it."
            return _SoundPart(0, 0, 0, text)
        if decode_header(self._data.partition(b"\n")[0], self.number) is None:
            return _SoundPart(0, 0, 0, _CHANGED)
        seq = self.header.after
        for entry in self.entries():
            if fault := self._fault_of(entry, seq):
                return _SoundPart(entry.offset, seq, seq - self.header.after, fault)
            seq = (entry.line or {}).get("seq", seq)
        return _SoundPart(len(self._data), seq, seq - self.header.after, None)

    def fault(self, following: "SegmentReader | None") -> Fault | None:
        """The first fault, or None. `following` is the segment after this one."""
        end, _, _, text = self.sound_part
        if text == _DAMAGED and self._heals(following):
            text = "An entry was not finished; the next start keeps a copy of it and cuts it off."
            return Fault(self.file, end, text, heals=True)
        return Fault(self.file, end, text) if text else None

    def _fault_of(self, entry: Entry, seq: int) -> str | None:
        """The fault of an entry that follows transaction `seq`, or None."""
        line = entry.line
        if line is None or not entry.is_whole:
            return _DAMAGED
        if "seq" not in line:
            return None
        if line["seq"] != seq + 1:
            return f"Transaction {line['seq']} follows {seq}."
        if unknown := (line["put"].keys() | line["delete"].keys()) - self._known:
            return f"This version does not know documents of the kind {', '.join(sorted(unknown))}."
        return None

    def _heals(self, following: "SegmentReader | None") -> bool:
        """Whether the damaged entry is a write that a crash cut short.

        Where a segment follows that begins with the very next transaction, it was the line that
        leads there: nothing else is written once the next segment exists.
        """
        end, seq, _, _ = self.sound_part
        if following is None:
            return is_torn(self._data[end:], seq + 1)
        return following.header is not None and following.header.after == seq


class Journal:
    """All segments of a journal, oldest first, as they stand when it is made."""

    def __init__(self, folder: Path, collections: Iterable[Collection]) -> None:
        """Read every segment whole; `collections` are those that there may be. Raises OSError."""
        known = frozenset(each.name for each in collections)
        numbers = segment_numbers(folder / "journal")
        self.segments = [SegmentReader(folder, number, known) for number in numbers]
        self.headers = [segment.header for segment in self.segments if segment.header]

    @property
    def missing_end(self) -> Fault | None:
        """A fault where the last segment leads to another one, which is not there."""
        entries = self.segments[-1].entries() if self.segments else ()
        following = [entry.line["next"] for entry in entries if entry.line and "next" in entry.line]
        if not following:
            return None
        text = "The newest segment is missing, and every transaction in it."
        return Fault(f"journal/{segment_path(Path(), following[-1])}", 0, text)

    def transactions(self) -> Iterator[Line]:
        """The transactions of the sound parts, in order."""
        for segment in self.segments:
            yield from (line for line in segment.lines() if "seq" in line)

    def faults(self) -> Iterator[Fault]:
        """The first fault of each segment, and then what is missing between segments."""
        pairs = zip_longest(self.segments, self.segments[1:])
        faults = [segment.fault(following) for segment, following in pairs]
        yield from filter(None, faults)
        for (segment, following), fault in zip(pairwise(self.segments), faults, strict=False):
            end, seq, _, _ = segment.sound_part
            if following.number != segment.number + 1:
                text = f"Segment {segment.number + 1} before it is missing."
                yield Fault(following.file, 0, text)
            elif fault is None and following.header and following.header.after != seq:
                after = following.header.after
                text = f"It ends with transaction {seq}, and the next begins after {after}."
                yield Fault(segment.file, end, text)
        if missing := self.missing_end:
            yield missing


def replay(
    transactions: Iterable[Line], collection: Collection, covers: int, documents: dict[str, bytes]
) -> int:
    """Apply to `documents` the changes after transaction `covers`; returns their number."""
    count = 0
    for line in transactions:
        if line["seq"] > covers:
            for document in line["put"].get(collection.name, []):
                documents[document[collection.key]] = encode_document(document)
                count += 1
            for key in line["delete"].get(collection.name, []):
                documents.pop(key, None)
                count += 1
    return count


def issued_numbers(
    transactions: Sequence[Line], collections: Iterable[Collection]
) -> IssuedNumbers:
    """The numbers in every document that a transaction put."""
    issued = IssuedNumbers()
    for each in collections:
        for line in transactions:
            for document in line["put"].get(each.name, []):
                issued.add(each, document)
    return issued


def _split(data: bytes) -> Iterator[Entry]:
    """The lines of a segment, header included. A line that is not sound is searched for others."""
    offset = 0
    while offset < len(data):
        end = data.find(b"\n", offset) + 1 or len(data)
        text = data[offset:end]
        line = decode(text[:-1]) if text.endswith(b"\n") else None
        if line is not None:
            yield Entry(offset, text, line, is_whole=True)
        else:
            start = offset
            before, *parts = _LINE_START.split(text)
            if b"{" in before or not parts:
                parts.insert(0, before)
            else:
                parts[0] = before + parts[0]  # a byte order mark
            for part in parts:
                yield Entry(start, part, decode_changed(part), is_whole=False)
                start += len(part)
        offset = end
