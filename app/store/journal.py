"""The journal: the book of first entry. A transaction counts once its line is in here, and synced.

The journal is a chain of segments, data/journal/00000001.ndjson and on. Each is UTF-8, one JSON
object a line, and each line begins with the CRC-32C (RFC 3720) of what follows the first comma:

    {"crc":"5c3a9f01","segment":7,"format":1,"after":4711,"covers":4690,"files":{…}}
    {"crc":"0b1c88d2","seq":4712,"durable":4711,"put":{"orders":[{…}],"outbox":[{…}]},"delete":{}}
    {"crc":"77ab0e34","seq":4713,"durable":4711,"put":{…},"delete":{"orders":["0193…"]}}
    {"crc":"e9d0c5aa","published":6}
    {"crc":"3f210b6c","next":8}

* The first line is the header. `after`: the last sequence number before this segment. `files`: the
  fingerprint of each checkpoint file, which together cover every transaction up to `covers`.
* A transaction carries its sequence number, whole documents to put, and keys to delete; so reading
  a transaction twice does no harm. `durable` is the last transaction its writer knew to be on disk.
* `published: N` says that the files named in this segment's header are now in place and that
  segments up to N are gone. `next: N` says that the segment ends here. Both only spare readers a
  look at the folder; a segment that exists is the next one, and what stands in its forerunner
  after its `after` does not count.

Torn or damaged? A line that fails its checksum, with nothing valid after it, is a torn tail: a
write that a crash cut short. It is kept aside and cut off. So is a bad line followed only by lines
that were written before the bad one was known to be durable: a crash may keep the later blocks of
one unsynced stretch and lose the earlier ones, and nobody was told that any of them was safe.
A bad line followed by a line whose `durable` reaches it is damage, and the store refuses to write.
"""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import orjson

from app.errors import Damaged
from app.store.checkpoint import Fingerprint
from app.store.files import sync_folder, write_all

FORMAT = 1
_CHUNK_BYTES = 8 << 20
_CRC_END = len(b'{"crc":"01234567",')
_NAME = re.compile(r"\d{8}\.ndjson")

Line = dict[str, Any]


class Header(NamedTuple):
    """The first line of a segment."""

    segment: int
    after: int
    covers: int
    files: dict[str, Fingerprint]


class Segment:
    """One open segment file. `end` is where this process has read or written up to."""

    def __init__(self, folder: Path, number: int) -> None:
        """Open. Raises FileNotFoundError, or Damaged when the header cannot be read."""
        self.number = number
        self.path = segment_path(folder, number)
        self._fd = os.open(self.path, os.O_RDWR)
        self._closed = False
        self._syncing = threading.Lock()
        self.end = 0
        line = next(self.lines(), None)
        if line is None or line.get("segment") != number or line.get("format") != FORMAT:
            os.close(self._fd)
            raise Damaged(
                f"journal/{self.path.name} has no readable header; restore it from a backup."
            )
        self.header = _header(line)

    def grown(self) -> bool:
        """Whether something stands after `end`; one fstat."""
        return os.fstat(self._fd).st_size != self.end

    def replaced(self) -> bool:
        """Whether the file of this name is no longer the one that is open."""
        try:
            there, here = os.stat(self.path), os.fstat(self._fd)
        except FileNotFoundError:
            return True
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev)

    def lines(self) -> Iterator[Line]:
        """Read on from `end`, moving it; stops before the first line that is not whole and valid."""
        rest = b""
        while chunk := os.pread(self._fd, _CHUNK_BYTES, self.end + len(rest)):
            *whole, rest = (rest + chunk).split(b"\n")
            for text in whole:
                line = decode(text)
                if line is None:
                    return
                self.end += len(text) + 1
                yield line

    def append(self, lines: bytes) -> None:
        """Write at `end` and move it. On an OSError what was written is taken back, if possible."""
        try:
            write_all(self._fd, lines, self.end)
        except OSError:
            self._take_back()
            raise
        self.end += len(lines)

    def sync(self) -> None:
        """fdatasync; after close nothing is left to sync. Raises OSError."""
        with self._syncing:
            if not self._closed:
                os.fdatasync(self._fd)

    def tail(self) -> bytes:
        """What stands after `end`."""
        return os.pread(self._fd, os.fstat(self._fd).st_size - self.end, self.end)

    def transactions(self, after: int, last: int) -> bytes:
        """The transactions from `after` (not included) to `last`, as written. Raises Damaged."""
        kept = []
        for text in os.pread(self._fd, self.end, 0).split(b"\n"):
            line = decode(text)
            if line and after < line.get("seq", 0) <= last:
                kept.append(text + b"\n")
        if len(kept) != last - after:
            raise Damaged(
                f"journal/{self.path.name} cannot be read back after a failed sync; restart the "
                "service, which then goes on from what the disk kept."
            )
        return b"".join(kept)

    def cut(self) -> None:
        """Keep what stands after `end` aside, then cut it off, both durably. Raises OSError."""
        aside = self.path.with_name(f"{self.path.stem}.torn-at-{self.end}")
        aside.write_bytes(self.tail())
        os.ftruncate(self._fd, self.end)
        os.fsync(self._fd)
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Close the file, once any sync under way has ended."""
        with self._syncing:
            if not self._closed:
                self._closed = True
                os.close(self._fd)

    def _take_back(self) -> None:
        """Cut off a failed write. If that fails too, the next writer finds a torn tail and cuts it."""
        try:
            os.ftruncate(self._fd, self.end)
        except OSError:
            return


def create_segment(folder: Path, header: Header, transactions: bytes = b"") -> Segment:
    """Write a new segment, durably, under its name; one of that name is replaced. Raises OSError."""
    path = segment_path(folder, header.segment)
    temporary = path.with_suffix(".next")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, encode({"segment": header.segment, "format": FORMAT} | _fields(header)), 0)
        write_all(fd, transactions, os.fstat(fd).st_size)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(temporary, path)
    sync_folder(folder)
    return Segment(folder, header.segment)


def read_header(folder: Path, number: int) -> Header:
    """The header of segment `number`. Raises Damaged."""
    segment = Segment(folder, number)
    segment.close()
    return segment.header


def segment_path(folder: Path, number: int) -> Path:
    """The file of segment `number`."""
    return folder / f"{number:08d}.ndjson"


def segment_numbers(folder: Path) -> list[int]:
    """The segments that exist, in order."""
    if not folder.is_dir():
        return []
    return sorted(int(path.stem) for path in folder.iterdir() if _NAME.fullmatch(path.name))


def encode(members: Mapping[str, Any]) -> bytes:
    """One line of the journal."""
    return _with_crc(orjson.dumps(members)[1:] + b"\n")


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
    if (
        len(text) <= _CRC_END
        or b'{"crc":"%08x",' % google_crc32c.value(text[_CRC_END:]) != text[:_CRC_END]
    ):
        return None
    line: Line = orjson.loads(text)
    return line


def is_torn(tail: bytes, seq: int) -> bool:
    """Whether `tail`, which begins with a bad line, is what a crash leaves (see the module's text).

    `seq` is the sequence number that the bad line would have had.
    """
    following = (decode(text) for text in tail.split(b"\n")[1:])
    return not any(line and line.get("durable", seq) >= seq for line in following)


def _with_crc(rest: bytes) -> bytes:
    return b'{"crc":"%08x",%b' % (google_crc32c.value(rest[:-1]), rest)


def _header(line: Line) -> Header:
    files = {name: Fingerprint(**fields) for name, fields in line["files"].items()}
    return Header(line["segment"], line["after"], line["covers"], files)


def _fields(header: Header) -> dict[str, Any]:
    files = {name: fingerprint._asdict() for name, fingerprint in header.files.items()}
    return {"after": header.after, "covers": header.covers, "files": files}
