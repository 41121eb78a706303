"""The readable files: orders.json, failure.json and one for each other collection.

Format: a JSON array in UTF-8, one document a line, sorted by key (as JSON text, byte by byte):

    [
    {"order_id":"0193…","number":1001,…},
    {"order_id":"0193…","number":1002,…}
    ]

An empty collection is `[`, newline, `]`, newline. Because the lines are sorted and each begins
with its key, a document is found by bisection in the mapped file: no offsets are kept in memory,
and opening a file costs the same whatever its size.

A file is never changed, only replaced. It covers every transaction up to some sequence number;
which, and the file's checksum, stand in the header of a journal segment (journal.py).
"""

import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import orjson

from app.store import Collection, Document
from app.store.files import sync_folder, write_all

_HEAD = b"[\n"
_FOOT = b"\n]\n"
_EMPTY = b"[\n]\n"
_CHUNK_BYTES = 1 << 20


class Fingerprint(NamedTuple):
    """What is on record about a file: its length, its CRC-32C (RFC 3720), its documents."""

    bytes: int
    crc32c: str
    documents: int


class CheckpointFile:
    """One opened file. It stays readable after the file of that name has been replaced."""

    def __init__(self, folder: Path, collection: Collection, documents: int = 0) -> None:
        """Open and map. Raises FileNotFoundError when it is missing, ValueError when it is empty."""
        self.collection = collection
        self.documents = documents
        with path_of(folder, collection).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._prefix = len(orjson.dumps({collection.key: ""})) - 3
        self._end = max(len(self._map) - len(_FOOT), len(_HEAD))

    def get(self, key: str) -> bytes | None:
        """The stored JSON of one document, or None. Costs O(log n)."""
        token = orjson.dumps(key)
        start = self.place(token)
        if start >= self._end or self._token(start, len(token)) != token:
            return None
        return self._map[start : self.line_end(start)].rstrip(b",\n")

    def place(self, token: bytes) -> int:
        """Where the first line begins whose key, as JSON text, is not below `token`."""
        low, high = len(_HEAD), self._end
        while low < high:
            start = max(self._map.rfind(b"\n", low, (low + high) // 2) + 1, low)
            if self._token(start, len(token)) < token:
                low = self.line_end(start)
            else:
                high = start
        return min(low, self._end)

    def line_end(self, start: int) -> int:
        """Where the line after the one at `start` begins (or the last line ends)."""
        return min(self._map.find(b"\n", start) + 1, self._end)

    def lines(self) -> Iterator[bytes]:
        """The stored JSON of every document, in key order."""
        start = len(_HEAD)
        while start < self._end:
            following = self.line_end(start)
            yield self._map[start:following].rstrip(b",\n")
            start = following

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of whole lines from `start` to `stop`, each line ended by a comma and newline."""
        for begin in range(start, stop, _CHUNK_BYTES):
            yield self._map[begin : min(begin + _CHUNK_BYTES, stop)]
        if start < stop == self._end:
            yield b",\n"

    @property
    def body(self) -> tuple[int, int]:
        """Where the first line begins and where the last one ends."""
        return len(_HEAD), self._end

    def fingerprint(self) -> Fingerprint:
        """The file's fingerprint as it is now; reads it whole."""
        crc = 0
        for begin in range(0, len(self._map), _CHUNK_BYTES):
            crc = google_crc32c.extend(crc, self._map[begin : begin + _CHUNK_BYTES])
        return Fingerprint(len(self._map), f"{crc:08x}", self.documents)

    def close(self) -> None:
        """Let go of the mapping."""
        self._map.close()

    def _token(self, start: int, length: int) -> bytes:
        begin = start + self._prefix
        return self._map[begin : begin + length]


def path_of(folder: Path, collection: Collection) -> Path:
    """The file of a collection."""
    return folder / f"{collection.name}.json"


def temporary_path_of(folder: Path, collection: Collection) -> Path:
    """Where the next version of the file is written before it takes the name."""
    return folder / f".{collection.name}.json.next"


def write_next(
    folder: Path,
    collection: Collection,
    base: CheckpointFile | None,
    changes: Mapping[str, bytes | None],
) -> Fingerprint:
    """Write `base` with `changes` (None: removed) to the temporary file, durably.

    What did not change is copied in large pieces, so the work in Python grows with the changes,
    not with the collection. Raises OSError; the temporary file is then worthless and harmless.
    """
    writer = _Writer(temporary_path_of(folder, collection), base.documents if base else 0)
    try:
        writer.write(_HEAD)
        for piece, documents in _merged(base, changes):
            writer.write(piece)
            writer.documents += documents
        return writer.finish()
    finally:
        writer.close()


def publish(folder: Path, collection: Collection) -> None:
    """Give the temporary file its name. The caller syncs the folder."""
    os.replace(temporary_path_of(folder, collection), path_of(folder, collection))


def write_whole(folder: Path, collection: Collection, documents: list[Document]) -> Fingerprint:
    """Replace the file by exactly these documents, durably (used when files are taken over)."""
    changes = {str(document[collection.key]): orjson.dumps(document) for document in documents}
    fingerprint = write_next(folder, collection, None, changes)
    publish(folder, collection)
    sync_folder(folder)
    return fingerprint


def _merged(
    base: CheckpointFile | None, changes: Mapping[str, bytes | None]
) -> Iterator[tuple[bytes, int]]:
    """The body in pieces, each with the change in the number of documents beside the base's."""
    position, end = base.body if base else (0, 0)
    for token, raw in sorted((orjson.dumps(key), raw) for key, raw in changes.items()):
        if base:
            place = base.place(token)
            for chunk in base.chunks(position, place):
                yield chunk, 0
            position = place
            if place < end and base.get(orjson.loads(token)) is not None:
                position = base.line_end(place)
                yield b"", -1
        if raw is not None:
            yield raw + b",\n", 1
    if base:
        for chunk in base.chunks(position, end):
            yield chunk, 0


class _Writer:
    """Writes a file in large pieces and takes its checksum on the way."""

    def __init__(self, path: Path, documents: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._pending = bytearray()
        self._written = 0
        self._crc = 0
        self.documents = documents

    def write(self, piece: bytes) -> None:
        self._pending += piece
        if len(self._pending) >= _CHUNK_BYTES + 2:
            self._flush(keep=2)

    def finish(self) -> Fingerprint:
        """Replace the last comma by the foot, and sync."""
        if self._pending.endswith(b",\n"):
            self._pending[-2:] = _FOOT
        else:
            self._pending += _EMPTY[len(_HEAD) :]
        self._flush(keep=0)
        os.fsync(self._fd)
        return Fingerprint(self._written, f"{self._crc:08x}", self.documents)

    def close(self) -> None:
        os.close(self._fd)

    def _flush(self, keep: int) -> None:
        """Write all but the last `keep` bytes, which may still turn out to be the last comma."""
        piece = bytes(self._pending[: len(self._pending) - keep])
        write_all(self._fd, piece, self._written)
        self._crc = google_crc32c.extend(self._crc, piece)
        self._written += len(piece)
        del self._pending[: len(piece)]
