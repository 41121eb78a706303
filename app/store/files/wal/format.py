"""The journal: the book of first entry. A transaction counts once its line is in here, and synced.

The journal is a chain of segments, data/journal/00000001.ndjson and on. Each is UTF-8, one JSON
object a line, and each line begins with the CRC-32C (RFC 3720) of what follows the first comma:

    {"crc":"5c3a9f01","segment":7,"format":1,"schema":1,"after":4711,"files":{"orders":{…},…}}
    {"crc":"3f210b6c","published":5}
    {"crc":"0b1c88d2","seq":4712,"durable":4711,"put":{"orders":[{…}],"outbox":[{…}]},"delete":{}}
    {"crc":"77ab0e34","seq":4713,"durable":4711,"put":{…},"delete":{"orders":["0193…"]}}
    {"crc":"e9d0c5aa","next":8}

* The first line is the header. `schema`: the version of the documents (upgrading.py); 0 where an
  older Daybook did not say. `after`: the last sequence number before this segment; everything
  up to it is on disk. `files`: what is on record about each checkpoint file, such as
  {"covers":4690,"documents":1200,"bytes":841022,"crc32c":"9a0c71ee"}; the file has in it every
  transaction up to `covers`.
* A transaction carries its sequence number, whole documents to put, and keys to delete; so reading
  a transaction twice does no harm. `durable` is the last transaction its writer knew to be on disk.
* `published: N` says that the files named in this segment's header are now in place and that
  segments up to N are gone (none, where N is 0).
* `next: N` says that the segment ends here. The next segment exists before this line is written;
  where a crash came between, the next writer adds the line before it writes anything else, so that
  no reader stays behind.

Torn or damaged? A line that fails its checksum, with nothing valid after it, is a torn tail: a
write that a crash cut short. It is kept aside and cut off. So is a bad line followed only by lines
that were written before the bad one was known to be durable: a crash may keep the later blocks of
one unsynced stretch and lose the earlier ones, and nobody was told that any of them was safe.
A bad line followed by a line whose `durable` reaches it is damage, and the store refuses to write.

Which sync can be believed? After a failed fsync Linux takes the lost pages for clean, and a second
one says yes; so does the first one of whoever opens the file later. Hence a process believes the
syncs of a descriptor only if it wrote through it everything that is in doubt (not known to be on
disk): once when it comes to write to a segment, and again, through a new one, after each failure.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import google_crc32c
import orjson

FORMAT = 1
_BEGIN = re.compile(rb'\{"crc":"')
"""What no line has inside it: there the quotation marks are escaped. A lost newline is no end."""
_CRC_END = len(b'{"crc":"01234567",')

Line = dict[str, Any]


class Fingerprint(NamedTuple):
    """By what a file is recognised: its length, and its CRC-32C (RFC 3720) in hexadecimal."""

    bytes: int
    crc32c: str


class FileRecord(NamedTuple):
    """What is on record about a file; `covers` is the last transaction that it has in it."""

    covers: int
    documents: int
    bytes: int
    crc32c: str

    @property
    def fingerprint(self) -> Fingerprint:
        """By what the file is recognised."""
        return Fingerprint(self.bytes, self.crc32c)


class Header(NamedTuple):
    """The first line of a segment."""

    segment: int
    after: int
    files: dict[str, FileRecord]
    schema: int = 0


def encode(members: Mapping[str, Any]) -> bytes:
    """One line of the journal."""
    return _with_crc(orjson.dumps(members)[1:] + b"\n")


def encode_document(document: Mapping[str, Any]) -> bytes:
    """The JSON of a document as it is stored, in memory of its own length.

    What orjson returns holds the 4 KiB in which it was written, and documents are kept for long.
    """
    return bytes(memoryview(orjson.dumps(document)))


def encode_transaction(
    seq: int, durable: int, put: Mapping[str, list[bytes]], delete: Mapping[str, list[str]]
) -> bytes:
    """The line of one transaction; documents come as the JSON they are stored as."""
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


def encode_header(header: Header) -> bytes:
    """The first line of a segment."""
    files = {name: record._asdict() for name, record in header.files.items()}
    return encode(
        {
            "segment": header.segment,
            "format": FORMAT,
            "schema": header.schema,
            "after": header.after,
            "files": files,
        }
    )


def decode_header(text: bytes, segment: int) -> Header | None:
    """The header of segment `segment`; None when this line is not it."""
    line = decode(text)
    if line is None or line.get("segment") != segment or line.get("format") != FORMAT:
        return None
    files = {name: FileRecord(**record) for name, record in line["files"].items()}
    return Header(segment, line["after"], files, line.get("schema", 0))


def is_torn(tail: bytes, seq: int) -> bool:
    """Whether `tail`, which begins with a bad line, is what a crash leaves (see the module's text).

    `seq` is the sequence number that the bad line would have had. The bad line itself says nothing:
    it may be whole but for its newline.
    """
    lines = (_line_at(tail, match.start()) for match in _BEGIN.finditer(tail, 1))
    return not any(line and line.get("durable", seq) >= seq for line in lines)


def _line_at(data: bytes, start: int) -> Line | None:
    end = data.find(b"\n", start)
    return decode(data[start : end if end >= 0 else len(data)])


def _with_crc(rest: bytes) -> bytes:
    return b'{"crc":"%08x",%b' % (google_crc32c.value(rest[:-1]), rest)
