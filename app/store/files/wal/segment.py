"""The journal's files, one by one: read on, append, sync, cut. The format stands in journal.py."""

import logging
import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.kernel.disk import sync_folder, write_all, write_new
from app.kernel.errors import Damaged
from app.store.files.disk.filesystem import is_forbidden, is_full
from app.store.files.wal.format import Header, Line, decode, decode_header, encode_header

log = logging.getLogger(__name__)

_CHUNK_BYTES = 8 << 20
_LONGEST_HEADER_BYTES = 1 << 20
_NAME = re.compile(r"\d{8}\.ndjson")


class InDoubt(NamedTuple):
    """A line that is not known to be on disk; it is once transaction `seq` is known to be."""

    seq: int
    offset: int
    text: bytes


class Segment:
    """One open segment file. `end` is where this process has read or written up to.

    `trusted` says that a sync through the open descriptor can be believed (see journal.py).
    """

    def __init__(self, folder: Path, number: int) -> None:
        """Open. Raises FileNotFoundError, or Damaged when the header cannot be read."""
        self.number = number
        self.path = segment_path(folder, number)
        self.trusted = False
        self._in_doubt: deque[InDoubt] = deque()
        self._fd = _opened(self.path)
        text, newline, _ = os.pread(self._fd, _LONGEST_HEADER_BYTES, 0).partition(b"\n")
        header = decode_header(text, number)
        if header is None or not newline:
            self.close()
            raise Damaged(f"journal/{self.path.name} has no readable header; restore a backup.")
        self.header = header
        self.end = len(text) + 1
        self._seq = header.after

    def grown(self) -> bool:
        """Whether something stands after `end`; one fstat."""
        return self._size() > self.end

    def is_intact(self) -> bool:
        """Whether the file of this name is still the open one, and not shorter than it was."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(self._fd)
        same_file = (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)
        return same_file and here.st_size >= self.end

    def lines(self) -> Iterator[Line]:
        """Read on from `end`; stops before the first line that is not whole and valid.

        `end` moves past a line when the next one is asked for, so a line that could not be dealt
        with is met again.
        """
        rest = b""
        while chunk := os.pread(self._fd, _CHUNK_BYTES, self.end + len(rest)):
            *whole, rest = (rest + chunk).split(b"\n")
            for text in whole:
                line = decode(text)
                if line is None:
                    return
                yield line
                self._pass(text + b"\n", line.get("seq"))

    def append(self, text: bytes, seq: int | None = None) -> None:
        """Write at `end` and move it. On an OSError what was written is taken back, if possible.

        Unless the disk is just full, the next writer opens the file anew.
        """
        try:
            write_all(self._fd, text, self.end)
        except OSError as error:
            with suppress(OSError):  # else the next writer finds a torn tail, and cuts it
                os.ftruncate(self._fd, self.end)
            if not is_full(error):
                self.trusted = False
            raise
        self._pass(text, seq)

    def forget(self, durable: int) -> None:
        """Transactions up to `durable` are on disk, and no longer in doubt."""
        while self._in_doubt and self._in_doubt[0].seq <= durable:
            self._in_doubt.popleft()

    def sync(self) -> None:
        """Call fdatasync. Raises OSError; the segment is then not trusted."""
        try:
            os.fdatasync(self._fd)
        except OSError:
            self.trusted = False
            raise

    def renew(self) -> None:
        """Make the segment trusted: open it anew, write what is in doubt again. Raises OSError."""
        fd = os.open(self.path, os.O_RDWR)
        os.close(self._fd)
        self._fd = fd
        for doubt in self._in_doubt:
            write_all(fd, doubt.text, doubt.offset)
        self.trusted = True

    def tail(self) -> bytes:
        """What stands after `end`."""
        return os.pread(self._fd, self._size() - self.end, self.end)

    def cut(self) -> None:
        """Keep what stands after `end` aside, then cut it off, both durably. Raises OSError."""
        aside, tail = self.path.with_name(f"{self.path.stem}.torn-at-{self.end}"), self.tail()
        write_new(aside, tail)
        sync_folder(self.path.parent)
        log.warning(
            "journal/%s ended in an entry that was never finished, so nobody was told that it is "
            "kept; its %d bytes are set aside in journal/%s",
            self.path.name,
            len(tail),
            aside.name,
        )
        os.ftruncate(self._fd, self.end)
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file; whatever is asked of it later fails with EBADF."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _pass(self, text: bytes, seq: int | None) -> None:
        self._in_doubt.append(InDoubt(seq or self._seq + 1, self.end, text))
        self._seq = seq or self._seq
        self.end += len(text)

    def _size(self) -> int:
        return os.fstat(self._fd).st_size


def _opened(path: Path) -> int:
    """The file to read and write; to read where that is all one may, as `flask check` needs it."""
    try:
        return os.open(path, os.O_RDWR)
    except OSError as error:
        if is_forbidden(error):
            return os.open(path, os.O_RDONLY)
        raise


def create_segment(folder: Path, header: Header) -> Segment:
    """Write a new segment, durably, under its name. Raises OSError."""
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

    Each is synced by itself: a power cut could else keep an older one and not a newer, and the
    journal would seem to have lost a segment.
    """
    for number in segment_numbers(folder):
        if number <= last:
            segment_path(folder, number).unlink()
            sync_folder(folder)
