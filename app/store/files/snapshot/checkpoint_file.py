"""The readable files: orders.json, failure.json and one for each other collection.

Format: a JSON array in UTF-8, one document a line, sorted by key (as JSON text, byte by byte):

    [
    {"order_id":"0193…","number":1001,…},
    {"order_id":"0193…","number":1002,…}
    ]

An empty collection is `[`, newline, `]`, newline. Because the lines are sorted and each begins
with its key, a document is found by bisection: first in a sparse index, the keys of some lines all
over the file, then within one block of the mapped file. Nothing is kept in memory for each
document, and opening a file costs the same whatever its size.

A file is never changed, only replaced (writer.py). It contains every transaction up to some
sequence number; that number and the file's checksum are in the headers of the log's segments
(wal/format.py).
"""

import mmap
import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import google_crc32c
import orjson

from app.store import Collection
from app.store.files.wal.format import FileRecord, Fingerprint
from app.system.bounded_cache import BoundedCache

HEAD = b"[\n"
FOOT = b"\n]\n"
CHUNK_BYTES = 1 << 20

SPARSE_INDEX_MAX_KEYS = 1024
BLOCK_MIN_BYTES = 1 << 14
"""A block is the part of the file between two keys of the sparse index."""

_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


NOT_RECORDED = FileRecord(0, 0, 0, "")


class CheckpointFile:
    """An open checkpoint file. It stays readable after the file of that name was replaced.

    `end` is the offset at which the last line ends; the first one begins after HEAD.
    """

    def __init__(
        self, folder: Path, collection: Collection, record: FileRecord = NOT_RECORDED
    ) -> None:
        """Open and map. Raises FileNotFoundError when it is missing, ValueError when empty."""
        self.collection = collection
        self.record = record
        self._path = path_of(folder, collection.name)
        with self._path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._identity = _identity(os.fstat(file.fileno()))
        self._prefix = len(orjson.dumps({collection.key: ""})) - len(b'""}')
        self.end = max(len(self._map) - len(FOOT), len(HEAD))
        self._last = max(self._map.rfind(b"\n", 0, self.end) + 1, len(HEAD))
        self._cache = BoundedCache[str, bytes]()

    def close(self) -> None:
        """Unmap the file, which gives its descriptor back; it cannot be read any more."""
        self._map.close()

    def get(self, key: str) -> bytes | None:
        """The stored JSON of one document, or None. Costs O(log n), or less when it is cached."""
        raw = self._cache.get(key)
        if raw is None and self.end > len(HEAD):  # failures and open events are mostly empty
            token = orjson.dumps(key)
            start = self.lower_bound(token)
            if self.has_key_at(start, token):
                raw = self._cache[key] = self._line(start)
        return raw

    def is_in_place(self) -> bool:
        """Whether the file of this name is still this one, and unchanged."""
        try:
            return _identity(self._path.stat()) == self._identity
        except FileNotFoundError:
            return False

    def has_recorded_size(self) -> bool:
        """Whether the file is as long as its record says; reads nothing."""
        return len(self._map) == self.record.bytes

    def lower_bound(self, token: bytes) -> int:
        """The offset of the first line whose key, as JSON text, is not below `token`."""
        if self._last < self.end and self._token(self._last, len(token)) < token:
            return self.end  # most lookups are of new documents, whose ids are the highest
        low, high = self._block(token)
        while low < high:
            start = max(self._map.rfind(b"\n", low, (low + high) // 2) + 1, low)
            if self._token(start, len(token)) < token:
                low = self.line_end(start)
            else:
                high = start
        return min(low, self.end)

    def has_key_at(self, start: int, token: bytes) -> bool:
        """Whether the key of the line at `start` is `token`, as JSON text."""
        return start < self.end and self._token(start, len(token)) == token

    def line_end(self, start: int) -> int:
        """The offset at which the line after the one at `start` begins, or the last line ends."""
        return min(self._map.find(b"\n", start) + 1, self.end)

    def lines(self) -> Iterator[bytes]:
        """The stored JSON of every document, in key order."""
        start = len(HEAD)
        while start < self.end:
            stop = self.line_end(min(start + CHUNK_BYTES, self.end))
            yield from self._map[start:stop].rstrip(b",\n").split(b",\n")
            start = stop

    def documents_after(self, token: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Key, as JSON text, and stored JSON of every document whose key is above `token`."""
        start = self.lower_bound(token)
        while start < self.end:
            raw = self._line(start)
            found = orjson.dumps(orjson.loads(raw)[self.collection.key])
            if found > token:
                yield found, raw
            start = self.line_end(start)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The lines from offset `start` to `stop` in large pieces, each with comma and newline."""
        for begin in range(start, stop, CHUNK_BYTES):
            yield self._map[begin : min(begin + CHUNK_BYTES, stop)]
        if start < stop == self.end:
            yield b",\n"

    def fingerprint(self) -> Fingerprint:
        """The file's present length and checksum; reads the whole file."""
        crc = 0
        for begin in range(0, len(self._map), CHUNK_BYTES):
            crc = google_crc32c.extend(crc, self._map[begin : begin + CHUNK_BYTES])
        return Fingerprint(len(self._map), f"{crc:08x}")

    def _block(self, token: bytes) -> tuple[int, int]:
        """The offsets at which the block begins and ends that a line with this key would be in."""
        tokens, starts = self._sparse_index
        after = bisect_right(tokens, token)
        low = starts[after - 1] if after else len(HEAD)
        return low, starts[after] if after < len(starts) else self.end

    @cached_property
    def _sparse_index(self) -> tuple[list[bytes], list[int]]:
        """The keys of evenly spaced lines, as JSON text, and the offsets of these lines."""
        block_bytes = max(self.end // SPARSE_INDEX_MAX_KEYS, BLOCK_MIN_BYTES)
        ends = (self.line_end(offset) for offset in range(block_bytes, self.end, block_bytes))
        starts = list(dict.fromkeys(start for start in ends if start < self.end))
        keys = (_JSON_STRING.match(self._map, start + self._prefix) for start in starts)
        return [key[0] for key in keys if key], starts

    def _line(self, start: int) -> bytes:
        return self._map[start : self.line_end(start)].rstrip(b",\n")

    def _token(self, start: int, length: int) -> bytes:
        begin = start + self._prefix
        return self._map[begin : begin + length]


def path_of(folder: Path, name: str) -> Path:
    """The checkpoint file of the collection `name`."""
    return folder / f"{name}.json"


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
