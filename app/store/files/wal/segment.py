"""One segment file of the log: read on, append, sync, cut. See format.py for its lines."""

import logging
import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.kernel.errors import Damaged
from app.store.files.disk.filesystem import open_read_write
from app.store.files.wal.format import Header, Line, decode, decode_header, encode_header, is_torn
from app.system.disk import sync_folder, write_all, write_new
from app.system.os_errors import is_full

log = logging.getLogger(__name__)

READ_CHUNK_BYTES = 8 << 20
HEADER_MAX_BYTES = 1 << 20
_NAME = re.compile(r"\d{8}\.ndjson")


class InDoubt(NamedTuple):
    """A line that may not be on disk; it is once transaction `seq` is known to be durable."""

    seq: int
    offset: int
    text: bytes


class Segment:
    """An open segment file. `end` is the offset up to which this process has read or written.

    `trusted`: whether a successful sync of the open descriptor can be believed (see format.py).
    """

    def __init__(self, folder: Path, number: int) -> None:
        """Open. Raises FileNotFoundError, or Damaged when the header cannot be read."""
        self.number = number
        self.path = segment_path(folder, number)
        self.next_path = segment_path(folder, number + 1)
        self.trusted = False
        self._in_doubt: deque[InDoubt] = deque()
        self._fd = open_read_write(self.path)
        try:
            text, newline, _ = self._read(0, HEADER_MAX_BYTES).partition(b"\n")
            header = decode_header(text, number)
            if header is None or not newline:
                raise Damaged(f"journal/{self.path.name} has no readable header; restore a backup.")
        except BaseException:
            self.close()
            raise
        self.header = header
        self.end = len(text) + 1
        self._seq = header.after

    def has_unread(self) -> bool:
        """Whether there are bytes after `end`; one fstat."""
        return self._size() > self.end

    def is_intact(self) -> bool:
        """Whether the file of this name is still the open one, and not shorter than `end`."""
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        opened = os.fstat(self._fd)
        return os.path.samestat(named, opened) and opened.st_size >= self.end

    def lines(self) -> Iterator[Line]:
        """Read on from `end`; stops before the first line that is not complete and valid.

        `end` moves past a line when the next one is asked for, so a line whose processing failed
        is read again.
        """
        rest = b""
        while chunk := self._read(self.end + len(rest), READ_CHUNK_BYTES):
            *complete, rest = (rest + chunk).split(b"\n")
            for text in complete:
                line = decode(text)
                if line is None:
                    return
                yield line
                self._advance(text + b"\n", line.get("seq"))

    def append(self, text: bytes, seq: int | None = None) -> None:
        """Write at `end` and move it. On an OSError, what was written is removed where possible.

        Unless the disk is just full, the next writer reopens the file.
        """
        try:
            write_all(self._fd, text, self.end)
        except OSError as error:
            with suppress(OSError):  # if this fails, the next writer cuts the torn tail
                os.ftruncate(self._fd, self.end)
            if not is_full(error):
                self.trusted = False
            raise
        self._advance(text, seq)

    def mark_durable(self, seq: int) -> None:
        """Transactions up to `seq` are on disk, so their lines are no longer in doubt."""
        while self._in_doubt and self._in_doubt[0].seq <= seq:
            self._in_doubt.popleft()

    def sync(self) -> None:
        """Call fdatasync. Raises OSError; the segment is then not trusted."""
        try:
            os.fdatasync(self._fd)
        except OSError:
            self.trusted = False
            raise

    def reopen(self) -> None:
        """Make the segment trusted: open it again, rewrite what is in doubt. Raises OSError."""
        left, self._fd = self._fd, os.open(self.path, os.O_RDWR)
        os.close(left)
        for line in self._in_doubt:
            write_all(self._fd, line.text, line.offset)
        self.trusted = True

    def has_torn_tail(self, seq: int) -> bool:
        """Whether the bytes after `end`, where transaction `seq` would begin, are a torn tail."""
        return is_torn(self._tail(), seq)

    def cut_tail(self) -> None:
        """Copy the bytes after `end` to a file, then cut them off, both durably. Raises OSError."""
        copy, tail = self.path.with_name(f"{self.path.stem}.torn-at-{self.end}"), self._tail()
        write_new(copy, tail)
        sync_folder(self.path.parent)
        log.warning(
            "journal/%s ended in an unfinished entry, which was never acknowledged; "
            "its %d bytes are set aside in journal/%s",
            self.path.name,
            len(tail),
            copy.name,
        )
        os.ftruncate(self._fd, self.end)
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file; later operations fail with EBADF."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _advance(self, text: bytes, seq: int | None) -> None:
        self._in_doubt.append(InDoubt(seq or self._seq + 1, self.end, text))
        self._seq = seq or self._seq
        self.end += len(text)

    def _tail(self) -> bytes:
        """The bytes after `end`."""
        return os.pread(self._fd, self._size() - self.end, self.end)

    def _read(self, offset: int, max_bytes: int) -> bytes:
        """The bytes from `offset` on, at most `max_bytes`; b"" at the end.

        pread allocates all that it is asked for, so this asks for no more than there is.
        """
        there = self._size() - offset
        return os.pread(self._fd, min(there, max_bytes), offset) if there > 0 else b""

    def _size(self) -> int:
        return os.fstat(self._fd).st_size


def create_segment(folder: Path, header: Header) -> Segment:
    """Write a new segment under its name, durably. Raises OSError."""
    path = segment_path(folder, header.segment)
    temporary = path.with_suffix(".next")
    write_new(temporary, encode_header(header))
    temporary.replace(path)
    sync_folder(folder)
    segment = Segment(folder, header.segment)
    segment.trusted = True
    return segment


def read_header(folder: Path, number: int) -> Header:
    """The header of segment `number`. Raises FileNotFoundError or Damaged."""
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


def remove_segments(folder: Path, last: int) -> None:
    """Remove every segment up to number `last`, durably, oldest first. Raises OSError.

    Each removal is synced by itself: otherwise a power cut could keep an older segment and lose a
    newer one, and the log would seem to have a gap.
    """
    for number in segment_numbers(folder):
        if number <= last:
            segment_path(folder, number).unlink()
            sync_folder(folder)
