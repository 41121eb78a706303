"""The format of the write-ahead log. A transaction counts once its line is in the log and synced.

The log is a sequence of segments, journal/00000001.ndjson and on. Each is UTF-8, one JSON
object a line, and each line begins with the CRC-32C (RFC 3720) of what follows the first comma:

    {"crc":"5c3a9f01","segment":7,"format":1,"schema":1,"after":4711,"files":{"orders":{…},…}}
    {"crc":"3f210b6c","published":5}
    {"crc":"0b1c88d2","seq":4712,"durable":4711,"put":{"orders":[{…}],"outbox":[{…}]},"delete":{}}
    {"crc":"77ab0e34","seq":4713,"durable":4711,"put":{…},"delete":{"orders":["0193…"]}}
    {"crc":"e9d0c5aa","next":8}

* The header is the first line. `schema`: the version of the documents (tools/migrate.py); 0 where
  an older Daybook did not write it. `after`: the last sequence number before this segment;
  everything up to it is on disk. `files`: a record of each checkpoint file, such as
  {"covers":4690,"documents":1200,"bytes":841022,"crc32c":"9a0c71ee"}; the file contains every
  transaction up to `covers`.
* A transaction carries its sequence number, whole documents to put, and keys to delete; so applying
  it twice does no harm. `durable` is the last transaction its writer knew to be on disk.
* `published: N` means that the files named in this segment's header are in place and that the
  segments up to N are removed (none, where N is 0).
* `next: N` ends the segment. Segment N exists before this line is written. After a crash in
  between, the next writer adds the line before it writes anything else, so that no reader is left
  behind.

Torn or damaged. A line that fails its checksum, with no valid line after it, is a torn tail: a
write that a crash cut short. It is set aside and cut off. The same holds for a bad line followed
only by lines that were written before the bad one was known to be durable: a crash may keep the
later blocks of an unsynced range and lose the earlier ones, and none of them was acknowledged.
A bad line followed by a line whose `durable` reaches it is damage; the store refuses to write. So
is a line that can be read but is not as it was written: a program changed its line end or its
spaces, which no crash does.

Which sync can be trusted. After a failed fsync Linux marks the lost pages as clean, and a second
fsync succeeds; so does the first one of a process that opens the file later. Hence a process trusts
the syncs of a descriptor only if it has written through it everything that is in doubt (not known
to be on disk): once before it first writes to a segment, and again, through a new descriptor, after
each failure.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import google_crc32c
import orjson

FORMAT = 1
_LINE = re.compile(rb'(?=(\{"crc":"[^\n]*))')
"""The start of a line, which occurs nowhere else: quotation marks inside strings are escaped. As a
lookahead it finds lines even where a newline is lost."""
_BEFORE_CHANGED = re.compile(rb"(\xef\xbb\xbf)?\s*\{")
"""A line with a byte order mark or spaces before it, which an editor may have added."""
_CRC_END = len(b'{"crc":"01234567",')

Line = dict[str, Any]


class Fingerprint(NamedTuple):
    """Identifies the content of a file: its length, and its CRC-32C (RFC 3720) in hexadecimal."""

    bytes: int
    crc32c: str


class FileRecord(NamedTuple):
    """A header's record of a checkpoint file, which contains every transaction up to `covers`."""

    covers: int
    documents: int
    bytes: int
    crc32c: str

    @property
    def fingerprint(self) -> Fingerprint:
        """The length and checksum that the file must have."""
        return Fingerprint(self.bytes, self.crc32c)


FileRecords = dict[str, FileRecord]
"""Records by the name of the collection."""


class Header(NamedTuple):
    """The first line of a segment."""

    segment: int
    after: int
    files: FileRecords
    schema: int = 0


def encode(members: Mapping[str, Any]) -> bytes:
    """One line of the log."""
    return _with_crc(orjson.dumps(members)[1:] + b"\n")


def encode_document(document: Mapping[str, Any]) -> bytes:
    """The JSON of a document as it is stored, in a buffer of its exact length.

    orjson's result keeps the 4 KiB buffer it was written to; stored documents live long.
    """
    return _encode_exactly(document)


def encode_key(key: str) -> bytes:
    """The JSON text of a key, by which files are sorted; in a buffer of its exact length, too."""
    return _encode_exactly(key)


def _encode_exactly(value: object) -> bytes:
    return bytes(memoryview(orjson.dumps(value)))


def encode_transaction(
    seq: int, durable: int, put: Mapping[str, list[bytes]], delete: Mapping[str, list[str]]
) -> bytes:
    """The line of one transaction; `put` holds documents as stored JSON."""
    puts = b",".join(
        orjson.dumps(name) + b":[" + b",".join(raws) + b"]" for name, raws in put.items()
    )
    deletes = orjson.dumps(delete)
    return _with_crc(
        b'"seq":%d,"durable":%d,"put":{%b},"delete":%b}\n' % (seq, durable, puts, deletes)
    )


def decode(text: bytes) -> Line | None:
    """The members of one line (without its newline); None when it fails its checksum."""
    crc = google_crc32c.value(text[_CRC_END:])
    if len(text) <= _CRC_END or text[:_CRC_END] != b'{"crc":"%08x",' % crc:
        return None
    line: Line = orjson.loads(text)
    return line


def decode_changed(text: bytes) -> Line | None:
    """The members of a line around which, or between whose members, something was added.

    It may have another line end, a byte order mark, or spaces; None when the content fails its
    checksum too.
    """
    text = text[max(text.find(b"{"), 0) : text.rfind(b"}") + 1]
    with suppress(ValueError):
        return decode(text) or decode(orjson.dumps(orjson.loads(text)))
    return None


def encode_header(header: Header) -> bytes:
    """The first line of a segment."""
    files = {name: record._asdict() for name, record in header.files.items()}
    versions = {"segment": header.segment, "format": FORMAT, "schema": header.schema}
    return encode(versions | {"after": header.after, "files": files})


def decode_header(text: bytes, segment: int) -> Header | None:
    """The header of segment number `segment`; None when this line is something else."""
    return header_of(decode(text), segment)


def header_of(line: Line | None, segment: int) -> Header | None:
    """The header of segment number `segment` in a decoded line; None when it is something else."""
    if line is None or line.get("segment") != segment or line.get("format") != FORMAT:
        return None
    files = {name: FileRecord(**record) for name, record in line["files"].items()}
    return Header(segment, line["after"], files, line.get("schema", 0))


def is_torn(tail: bytes, seq: int) -> bool:
    """Whether `tail`, which begins with a bad line, is a torn tail (see the module's text).

    `seq` is the sequence number of the bad line. The bad line itself is ignored: it may be
    complete but for its newline.
    """
    first, newline, _ = tail.partition(b"\n")
    # where a power cut zeroed the line, the next one may stand behind the zeros
    if newline and _BEFORE_CHANGED.match(first) and decode_changed(first):
        return False
    lines = (decode_changed(match[1]) for match in _LINE.finditer(tail, 1))
    return not any(line and line.get("durable", seq) >= seq for line in lines)


def _with_crc(rest: bytes) -> bytes:
    return b'{"crc":"%08x",%b' % (google_crc32c.value(rest[:-1]), rest)
